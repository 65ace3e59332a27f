// RUN: imc-opt %s -p imc-pack --split-input-file --verify-diagnostics | filecheck %s

// CHECK-LABEL: func.func @add
// CHECK: imc.ap_linear %x : tensor<?x2xui4> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1",
// CHECK-NEXT: "slice 2",
// CHECK-NEXT: "v0 = x0 + x1",
// CHECK-NEXT: "y0 += v0">]
func.func @add(%x: tensor<?x2xui4>) -> tensor<?x1xui5> {
  %y = imc.ap_unpacked %x : tensor<?x2xui4> {channel_low = array<i64: 0, 0>, channel_high = array<i64: 15, 15>} -> tensor<?x1xui5> {
  ^bb0(%x0 : ui4, %x1 : ui4):
    imc.ap_slice {inputs = 2 : i64}
    %v0 = imc.ap_add %x0, %x1 : (ui4, ui4) -> ui5
    imc.ap_accumulate %v0 {output = 0 : i64} : ui5
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return %y : tensor<?x1xui5>
}

// -----

// CHECK: imc-pack: imc.ap_unpacked: a region begins with imc.ap_slice and ends in imc.ap_yield
func.func @no_slice(%x: tensor<?x1xui4>) -> tensor<?x1xui4> {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    imc.ap_accumulate %x0 {output = 0 : i64} : ui4
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return %y : tensor<?x1xui4>
}

// -----

// CHECK: imc-pack: imc.ap_unpacked: inside a slice, operations come before accumulations
func.func @order(%x: tensor<?x1xui4>) -> tensor<?x1xui5> {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui5> {
  ^bb0(%x0 : ui4):
    imc.ap_slice {inputs = 1 : i64}
    imc.ap_accumulate %x0 {output = 0 : i64} : ui4
    %v0 = imc.ap_add %x0, %x0 : (ui4, ui4) -> ui5
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return %y : tensor<?x1xui5>
}

// -----

// CHECK: imc-pack: imc.ap_unpacked: add/sub program: accumulate_output[0] names an output that does not exist
func.func @output(%x: tensor<?x1xui4>) -> tensor<?x1xui4> {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    imc.ap_slice {inputs = 1 : i64}
    imc.ap_accumulate %x0 {output = 1 : i64} : ui4
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return %y : tensor<?x1xui4>
}
