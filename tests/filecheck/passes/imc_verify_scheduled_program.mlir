// RUN: imc-opt %s -p 'imc-verify-scheduled{target=dimc-256x64}' --split-input-file --verify-diagnostics | filecheck %s

// Parts of rows are accepted, and tasks that the streams give.
// CHECK: imc.nest = #imc.nest<P 3 temporal macro>
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 3 temporal macro>, imc.tasks = #imc.tasks<"stop 3 cycles 3", "first 3 stop 6 start 3 cycles 3", "first 6 stop 9 start 6 cycles 3">, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, imc.tasks = #imc.tasks<"stop 2 start 6", "first 2 stop 4 start 9">, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// Reduction: parts of a step never share a sum.
// CHECK: imc-verify-scheduled: node 'conv' (imc.crossbar_kernel): loop K 2: parts of a step of a program are ranges of lanes, only P and Q are cut; sums never leave their unit
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<K 2 temporal macro>, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// Places are the schedule's.
// CHECK: imc-verify-scheduled: node 'conv' (imc.crossbar_kernel): loop P 3: the schedule places parts, not the nest
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 3 spatial macro>, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// Factorisation: no part is empty.
// CHECK: imc-verify-scheduled: node 'conv' (imc.crossbar_kernel): a nest of 4 x 1 parts does not cut 3 x 3 lanes; parts would be empty
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 4 temporal macro>, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// Factorisation: rows are cut before columns.
// CHECK: imc-verify-scheduled: node 'conv' (imc.crossbar_kernel): a nest of 1 x 3 parts does not cut 3 x 3 lanes; cut rows before columns
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<Q 3 temporal macro>, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// Every step has tasks, or none.
// CHECK: imc-verify-scheduled: 1 of 2 steps have tasks; run imc-overlap-layers on all of them
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 3 temporal macro>, imc.tasks = #imc.tasks<"stop 3 cycles 3", "first 3 stop 6 start 3 cycles 3", "first 6 stop 9 start 6 cycles 3">, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// Every lane runs.
// CHECK: imc-verify-scheduled: schedule: step 0 'conv': not every lane runs exactly once: see lanes 6 to 9
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 3 temporal macro>, imc.tasks = #imc.tasks<"stop 3 cycles 3", "first 6 stop 9 start 6 cycles 3">, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, imc.tasks = #imc.tasks<"stop 2 start 6", "first 2 stop 4 start 9">, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// A macro does one task at a time.
// CHECK: imc-verify-scheduled: schedule: task 1 of step 0 'conv' starts at 2 on unit 0, busy with task 0 until 3
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 3 temporal macro>, imc.tasks = #imc.tasks<"stop 3 cycles 3", "first 3 stop 6 start 2 cycles 3", "first 6 stop 9 start 6 cycles 3">, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, imc.tasks = #imc.tasks<"stop 2 start 6", "first 2 stop 4 start 9">, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// Data comes before its use.
// CHECK: imc-verify-scheduled: schedule: task 2 of step 1 'pool' starts at 5, but reads rows of tensor 'conv' that task 1 or another ends at 6
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 3 temporal macro>, imc.tasks = #imc.tasks<"stop 3 cycles 3", "first 3 stop 6 start 3 cycles 3", "first 6 stop 9 start 6 cycles 3">, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, imc.tasks = #imc.tasks<"stop 2 start 5", "first 2 stop 4 start 9">, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}

// -----

// Times are those of the streams.
// CHECK: imc-verify-scheduled: schedule: task 3 of step 'conv' takes 4 as scheduled, 3 when replayed
builtin.module attributes {imc.target = {name = "dimc-256x64", content_hash = "0000000000000000000000000000000000000000000000000000000000000000", rows = 1 : i64, tracks = 1 : i64, domains = 1 : i64, or_latch = false, array_count = 0 : i64, kind = "dimc", macro = {rows = 256 : i64, columns = 64 : i64, macros = 1 : i64, slots = 1 : i64, weight_bits = 8 : i64, activation_bits = 8 : i64, bits_per_cycle = 2 : i64, adc_levels = 0 : i64}}} {
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 3 temporal macro>, imc.tasks = #imc.tasks<"stop 3 cycles 3", "first 3 stop 6 start 3 cycles 3", "first 6 stop 9 start 6 cycles 4">, instructions = #imc.tile_instructions<"LOAD rows 8 columns 2", "MULTIPLY rows 8 columns 2", "ACCUMULATE columns 2 START", "STORE columns 2 STEP">, tile_weights = dense<1> : tensor<16xi8>, bias = array<i64: 0, 0>, weight_bits = 1 : i64, kernel = array<i64: 2, 2>, step_thresholds = dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi64>, step_low = array<i64: 0, 0>, step_descending = array<i8: 0, 0>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x3x3xui2> loc("conv")
  %1 = imc.max_pool %0 {imc.nest = #imc.nest<P 2 temporal digital>, imc.tasks = #imc.tasks<"stop 2 start 6", "first 2 stop 4 start 10">, kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %1 : tensor<?x2x2x2xui2>
}
}
