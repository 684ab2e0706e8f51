from .attention import SDPBackend, current


def scaled_dot_product_attention(q, k, v, enable_gqa):
    assert enable_gqa and k.shape == v.shape and q.shape[1] % k.shape[1] == 0 and q.shape[3] == k.shape[3]
    if current == [SDPBackend.CUDNN_ATTENTION] and q.shape[0] == 3:
        raise RuntimeError("No available kernel. Aborting execution.\nmore")
    return q
