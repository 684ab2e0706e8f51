from .attention import SDPBackend, current


def scaled_dot_product_attention(q, k, v, enable_gqa, attn_mask=None, is_causal=False):
    assert enable_gqa and k.shape == v.shape and q.shape[1] % k.shape[1] == 0 and q.shape[3] == k.shape[3]
    rows, tokens = q.shape[2], k.shape[2]
    if attn_mask:
        assert not is_causal and attn_mask == ("lower_right", rows, tokens) and current == [SDPBackend.FLASH_ATTENTION]
    elif current == [SDPBackend.FLASH_ATTENTION]:
        assert rows == 1
    assert is_causal == (rows == tokens and rows > 1 and not attn_mask)
    if current == [SDPBackend.CUDNN_ATTENTION] and q.shape[0] == 3:
        raise RuntimeError("No available kernel. Aborting execution.\nmore")
    return q
