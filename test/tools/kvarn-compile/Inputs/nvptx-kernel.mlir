// Level 3 of an NVIDIA target, by hand.
llvm.mlir.global external @memory() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
llvm.func @k(%p: i64, %n: i64) attributes {nvvm.kernel, nvvm.maxntid = array<i32: 128>, kvarn.shared_bytes = 512 : i64} {
  %out = llvm.inttoptr %p : i64 to !llvm.ptr<1>
  %block = nvvm.read.ptx.sreg.ctaid.x : i32
  %thread = nvvm.read.ptx.sreg.tid.x : i32
  %place = llvm.getelementptr %out[%thread] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %memory = llvm.mlir.addressof @memory : !llvm.ptr<3>
  %slot = llvm.getelementptr %memory[%thread] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
  %x = llvm.load %place : !llvm.ptr<1> -> f32
  %b = llvm.sitofp %block : i32 to f32
  %y = llvm.fmul %x, %b : f32
  %z = llvm.fadd %y, %x : f32
  llvm.store volatile %z, %slot : f32, !llvm.ptr<3>
  %w = llvm.load volatile %slot : !llvm.ptr<3> -> f32
  llvm.store %w, %place : f32, !llvm.ptr<1>
  llvm.return
}
