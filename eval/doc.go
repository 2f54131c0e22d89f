// Package eval measures what a model can do: sampled answers graded by a task, options compared by likelihood, and the statistics that say how far a
// figure can be trusted.
package eval
