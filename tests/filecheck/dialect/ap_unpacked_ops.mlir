// RUN: IMC_ROUNDTRIP

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<?x2xui4>) -> tensor<?x1xsi8> {
  %y = imc.ap_unpacked %x : tensor<?x2xui4> {channel_low = array<i64: 0, 0>, channel_high = array<i64: 15, 15>} -> tensor<?x1xsi8> {
  ^bb0(%x0 : ui4, %x1 : ui4):
    imc.ap_slice {inputs = 2 : i64}
    %v0 = imc.ap_add %x0, %x1 {lhs_shift = 2 : i64} : (ui4, ui4) -> ui7
    %v1 = imc.ap_sub %v0, %x1 {rhs_shift = 1 : i64, low = -30 : i64, high = 75 : i64} : (ui7, ui4) -> si8
    imc.ap_accumulate %v1 {output = 0 : i64, shift = 1 : i64, subtract} : si8
    imc.ap_yield {bias = array<i64: -3>}
  }
  // CHECK: %{{.*}} = imc.ap_unpacked %{{.*}} : tensor<?x2xui4> {channel_low = array<i64: 0, 0>, channel_high = array<i64: 15, 15>} -> tensor<?x1xsi8> {
  // CHECK-NEXT: ^bb0(%{{.*}}: ui4, %{{.*}}: ui4):
  // CHECK-NEXT: imc.ap_slice {inputs = 2 : i64}
  // CHECK-NEXT: %{{.*}} = imc.ap_add %{{.*}}, %{{.*}} {lhs_shift = 2 : i64} : (ui4, ui4) -> ui7
  // CHECK-NEXT: %{{.*}} = imc.ap_sub %{{.*}}, %{{.*}} {rhs_shift = 1 : i64, low = -30 : i64, high = 75 : i64} : (ui7, ui4) -> si8
  // CHECK-NEXT: imc.ap_accumulate %{{.*}} {output = 0 : i64, shift = 1 : i64, subtract} : si8
  // CHECK-NEXT: imc.ap_yield {bias = array<i64: -3>}
  func.return %y : tensor<?x1xsi8>
}
