tile.kernel @scheduled() attributes {schedule = #kvarn.schedule<rows = 8, tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>} {
  tile.return
}
