// RUN: imc-opt %s -p imc-unpack --split-input-file --verify-diagnostics | filecheck %s
// RUN: imc-opt %s -p imc-unpack,imc-pack --split-input-file --verify-diagnostics | filecheck %s --check-prefix=BACK

// Exact intervals become types and come along as properties.
// CHECK-LABEL: func.func @intervals
// CHECK: imc.ap_unpacked %x : tensor<?x2xui2> {channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x2xsi5> {
// CHECK-NEXT: ^bb0(%x0: ui2, %x1: ui2):
// CHECK-NEXT:   imc.ap_slice {inputs = 2 : i64}
// CHECK-NEXT:   %v0 = imc.ap_sub %x0, %x1 {low = -3 : i64, high = 3 : i64} : (ui2, ui2) -> si3
// CHECK-NEXT:   %v1 = imc.ap_add %x1, %x0 {rhs_shift = 1 : i64, low = 0 : i64, high = 9 : i64} : (ui2, ui2) -> ui4
// CHECK-NEXT:   imc.ap_accumulate %v0 {output = 0 : i64} : si3
// CHECK-NEXT:   imc.ap_accumulate %v1 {output = 1 : i64, subtract} : ui4
// CHECK-NEXT:   imc.ap_yield {bias = array<i64: 0, 5>, output_low = array<i64: -3, -4>, output_high = array<i64: 3, 5>, input_low = array<i64: 0, 0>, input_high = array<i64: 3, 3>}
// BACK-LABEL: func.func @intervals
// BACK: imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 2",
// BACK-NEXT: "y1 = 5",
// BACK-NEXT: "slice 2",
// BACK-NEXT: "v0 = x0 - x1",
// BACK-NEXT: "v1 = x1 + (x0 << 1)",
// BACK-NEXT: "y0 += v0",
// BACK-NEXT: "y1 -= v1",
// BACK-NEXT: "x0 in 0 .. 3",
// BACK-NEXT: "x1 in 0 .. 3",
// BACK-NEXT: "v0 in -3 .. 3",
// BACK-NEXT: "v1 in 0 .. 9",
// BACK-NEXT: "y0 in -3 .. 3",
// BACK-NEXT: "y1 in -4 .. 5">]
func.func @intervals(%x: tensor<?x2xui2>) -> tensor<?x2xsi5> {
  %y = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 2", "y1 = 5",
      "slice 2", "v0 = x0 - x1", "v1 = x1 + (x0 << 1)", "y0 += v0", "y1 -= v1",
      "x0 in 0 .. 3", "x1 in 0 .. 3", "v0 in -3 .. 3", "v1 in 0 .. 9", "y0 in -3 .. 3", "y1 in -4 .. 5">],
      channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x2xsi5>
  func.return %y : tensor<?x2xsi5>
}

// -----

// Without intervals, types follow from the operands; slices and parts stay apart.
// CHECK-LABEL: func.func @slices
// CHECK:        imc.ap_slice {inputs = 1 : i64}
// CHECK-NEXT:   imc.ap_accumulate %x0 {output = 0 : i64, shift = 2 : i64} : ui3
// CHECK-NEXT:   imc.ap_slice {inputs = 2 : i64}
// CHECK-NEXT:   %v0 = imc.ap_add %x1, %x2 : (si2, si2) -> si3
// CHECK-NEXT:   imc.ap_accumulate %v0 {output = 0 : i64} : si3
// CHECK-NEXT:   imc.ap_yield {bias = array<i64: 0>}
// CHECK-NEXT: } {
// CHECK-NEXT: ^bb0(%x0_1: ui3
// BACK-LABEL: func.func @slices
// BACK: "slice 1",
// BACK-NEXT: "y0 += (x0 << 2)",
// BACK-NEXT: "slice 2",
// BACK-NEXT: "v0 = x1 + x2",
// BACK-NEXT: "y0 += v0">, #imc.add_sub<"version 1 inputs 3 outputs 1",
// BACK-NEXT: "slice 3",
// BACK-NEXT: "y0 -= x1">]
func.func @slices(%x: tensor<?x3xsi4>) -> tensor<?x2xsi9> {
  %y = imc.ap_linear %x : tensor<?x3xsi4> {programs = [
      #imc.add_sub<"version 1 inputs 3 outputs 1", "slice 1", "y0 += (x0 << 2)", "slice 2", "v0 = x1 + x2", "y0 += v0">,
      #imc.add_sub<"version 1 inputs 3 outputs 1", "slice 3", "y0 -= x1">],
      channel_low = array<i64: 0, -2, -2>, channel_high = array<i64: 7, 1, 1>} -> tensor<?x2xsi9>
  func.return %y : tensor<?x2xsi9>
}

// -----

// CHECK: imc-unpack: imc.ap_linear has placements, which have no SSA form
// BACK: imc-unpack: imc.ap_linear has placements, which have no SSA form
func.func @placed(%x: tensor<?x1xui2>) -> tensor<?x1xui2> {
  %y = imc.ap_linear %x : tensor<?x1xui2> {programs = [#imc.add_sub<"version 1 inputs 1 outputs 1", "slice 1", "y0 += x0">],
      placements = [#imc.placement<"version 1 tracks 4 domains 8 carry 24", "load 0 r 0", "store 0 a 0">],
      channel_low = array<i64: 0>, channel_high = array<i64: 3>} -> tensor<?x1xui2>
  func.return %y : tensor<?x1xui2>
}
