"tile.warps"() <{count = 1 : i64}> ({
  "tile.yield"() : () -> ()
}) : () -> ()
