// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll,imc-reduce-arithmetic{scope="0"}' | filecheck %s --check-prefix GREEDY
// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll,imc-reduce-arithmetic{scope="0" effort=max repairs=3}' | filecheck %s --check-prefix SEARCHED
// RUN: not imc-opt %s -p 'imc-reduce-arithmetic{effort=most}' 2>&1 | filecheck %s --check-prefix EFFORT
// RUN: not imc-opt %s -p 'imc-reduce-arithmetic{effort=max repairs=0}' 2>&1 | filecheck %s --check-prefix REPAIRS

// The most frequent pair first is not always best: four shared sums, or three.
// GREEDY: "v3 = x1 + x3",
// GREEDY-NEXT: "y0 -= v1",
// SEARCHED: "v0 = x2 + x3",
// SEARCHED-NEXT: "v1 = x0 - x3",
// SEARCHED-NEXT: "v2 = x1 + x2",
// SEARCHED-NEXT: "y0 -= v0",
// SEARCHED-NEXT: "y1 -= v2",
// SEARCHED-NEXT: "y1 -= v1",
// SEARCHED-NEXT: "y2 += x1",
// SEARCHED-NEXT: "y2 -= v1",
// SEARCHED-NEXT: "y3 += x0",
// SEARCHED-NEXT: "y3 += v0"
// EFFORT: imc-reduce-arithmetic: effort must be default or max, got most
// REPAIRS: imc-reduce-arithmetic: repairs must be 1 to 1000, got 0
func.func @main(%x: tensor<?x4xui2> {imc.name = "x"}) -> (tensor<?x4xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[0, 0, -1, -1], [-1, -1, -1, 1], [-1, 1, 0, 1], [1, 0, 1, 1]]> : tensor<4x4xi8> as tensor<4x4xsi2>
  %0 = imc.gemm %x, %w : (tensor<?x4xui2>, tensor<4x4xsi2>) -> tensor<?x4xsi6> loc("gemm")
  func.return %0 : tensor<?x4xsi6>
}
