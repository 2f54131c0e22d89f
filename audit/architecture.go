package audit

// Exact is a count of FLOP from a network's architecture.
type Exact struct{ Context int }
