// RUN: IMC_DIAGNOSTICS

// CHECK: only one operand is shifted, and never the minuend of a subtraction
func.func @minuend(%x: tensor<?x1xui4>) {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    %v0 = imc.ap_sub %x0, %x0 {lhs_shift = 1 : i64} : (ui4, ui4) -> si6
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return
}

// -----

// CHECK: shifts 0 and 32 must lie in 0 ... 31
func.func @shift(%x: tensor<?x1xui4>) {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    %v0 = imc.ap_add %x0, %x0 {rhs_shift = 32 : i64} : (ui4, ui4) -> ui37
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return
}

// -----

// CHECK: low and high come together
func.func @half(%x: tensor<?x1xui4>) {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    %v0 = imc.ap_add %x0, %x0 {low = 0 : i64} : (ui4, ui4) -> ui5
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return
}

// -----

// CHECK: the interval 0 ... 7 is not that of ui5
func.func @interval(%x: tensor<?x1xui4>) {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    %v0 = imc.ap_add %x0, %x0 {low = 0 : i64, high = 7 : i64} : (ui4, ui4) -> ui5
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return
}

// -----

// CHECK: shift -1 must lie in 0 ... 31
func.func @accumulate(%x: tensor<?x1xui4>) {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    imc.ap_accumulate %x0 {output = 0 : i64, shift = -1 : i64} : ui4
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return
}

// -----

// CHECK: output and input intervals come together
func.func @yield(%x: tensor<?x1xui4>) {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    imc.ap_yield {bias = array<i64: 0>, output_low = array<i64: 0>}
  }
  func.return
}

// -----

// CHECK: regions compute 2 of 1 output channels
func.func @outputs(%x: tensor<?x1xui4>) {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4):
    imc.ap_yield {bias = array<i64: 0, 0>}
  }
  func.return
}

// -----

// CHECK: a region has 2 arguments for 1 window elements
func.func @arguments(%x: tensor<?x1xui4>) {
  %y = imc.ap_unpacked %x : tensor<?x1xui4> {channel_low = array<i64: 0>, channel_high = array<i64: 15>} -> tensor<?x1xui4> {
  ^bb0(%x0 : ui4, %x1 : ui4):
    imc.ap_yield {bias = array<i64: 0>}
  }
  func.return
}
