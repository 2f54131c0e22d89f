// Package ledger is the account of a run: an append-only file of entries, each carrying the SHA-256 of the line before it, that says what every
// part of the work took: floating-point operations derived from shapes, seconds, processor seconds, joules with a label and bounds, dollars by a
// dated price list. A state hash stands at each checkpoint, and a receipt seals the whole. docs/LEDGER.md describes the format.
package ledger
