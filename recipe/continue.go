package recipe

import (
	"fmt"
	"strings"
)

// continues makes r, as it ran until now, go on as the recipe next says. Only what no step's result depends on may differ: budgets, checkpoints, export and
// how many rows are run at a time.
func (r *Recipe) continues(next *Recipe) error {
	r.Budget, r.Checkpoint, r.Export = next.Budget, next.Checkpoint, next.Export
	r.Batch.Micro = next.Batch.Micro
	for i := range min(len(r.Stages), len(next.Stages)) {
		was, now := &r.Stages[i], &next.Stages[i]
		was.Budget, was.Batch.Micro = now.Budget, now.Batch.Micro
		if was.RL != nil && now.RL != nil {
			was.RL.Sequences = now.RL.Sequences
		}
	}
	was, err := r.YAML()
	if err != nil {
		return err
	}
	now, err := next.YAML()
	if err != nil {
		return err
	}
	if string(was) == string(now) {
		return nil
	}
	before, after := strings.Split(string(was), "\n"), strings.Split(string(now), "\n")
	for i, line := range before {
		if i >= len(after) || line != after[i] {
			return fmt.Errorf("the run was begun with another recipe, whose line %d is %q: it can go on with other budgets, checkpoints, export or batch.micro only", i+1, strings.TrimSpace(line))
		}
	}
	return fmt.Errorf("the run was begun with another recipe, which ends at line %d", len(before))
}
