import contextlib
import os
import types


class OutOfMemoryError(RuntimeError):
    pass


def is_available():
    return os.environ.get("FAKE_TORCH_GPU") != "0"


def device_count():
    return 1


def set_device(device):
    pass


def current_device():
    return 0


def get_device_properties(device):
    return types.SimpleNamespace(L2_cache_size=1 << 20)


def synchronize():
    pass


class Stream:
    pass


def stream(_):
    return contextlib.nullcontext()


class CUDAGraph:
    def replay(self):
        pass


@contextlib.contextmanager
def graph(_):
    if "FAKE_TORCH_NO_CAPTURE" in os.environ:
        raise RuntimeError("cannot capture")
    yield


class Event:
    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        pass

    def elapsed_time(self, end):
        return 1.0
