def causal_lower_right(rows, tokens):
    return "lower_right", rows, tokens
