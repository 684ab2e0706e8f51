func.func @scale(%x: tensor<?x8x128xf16>, %s: f32) -> tensor<?x8x128xf16> {
  %0 = kvarn.scale %x by %s : tensor<?x8x128xf16>
  return %0 : tensor<?x8x128xf16>
}
