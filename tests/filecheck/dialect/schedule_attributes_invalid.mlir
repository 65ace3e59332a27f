// RUN: IMC_DIAGNOSTICS

// CHECK: imc.nest: dimension X is none of K, C, P, Q, R, S
func.func @main(%x: tensor<?x4xsi8>) {
  %0 = imc.relu %x {imc.nest = #imc.nest<X 4 spatial bank>} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  func.return
}

// -----

// CHECK: imc.nest: bound 0 of K must be at least 1
func.func @main(%x: tensor<?x4xsi8>) {
  %0 = imc.relu %x {imc.nest = #imc.nest<K 0 spatial bank>} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  func.return
}

// -----

// CHECK: imc.nest: a loop is temporal or spatial, not sideways
func.func @main(%x: tensor<?x4xsi8>) {
  %0 = imc.relu %x {imc.nest = #imc.nest<K 2 sideways bank>} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  func.return
}

// -----

// CHECK: imc.tasks: line 'stop 1 begin 3': 'begin 3' is no field of a task
func.func @main(%x: tensor<?x4xsi8>) {
  %0 = imc.relu %x {imc.tasks = #imc.tasks<"stop 1 begin 3">} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  func.return
}

// -----

// CHECK: imc.tasks: line 'stop 1 unit': fields and values do not pair up
func.func @main(%x: tensor<?x4xsi8>) {
  %0 = imc.relu %x {imc.tasks = #imc.tasks<"stop 1 unit">} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  func.return
}

// -----

// CHECK: imc.tasks: 3 bytes are no whole number of 32-byte tasks
func.func @main(%x: tensor<?x4xsi8>) {
  %0 = imc.relu %x {imc.tasks = #imc.tasks<"0x000000">} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  func.return
}

// -----

// CHECK: imc.tasks: line 'stop 5000000000': stop 5000000000 is out of range
func.func @main(%x: tensor<?x4xsi8>) {
  %0 = imc.relu %x {imc.tasks = #imc.tasks<"stop 5000000000">} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  func.return
}
