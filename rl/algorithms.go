package rl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// algorithms are those that a recipe can name, with their published settings.
var algorithms = map[string]func() Algorithm{
	"grpo":        func() Algorithm { return DefaultGRPO() },
	"dr_grpo":     func() Algorithm { return DefaultDrGRPO() },
	"dapo":        func() Algorithm { return DefaultDAPO() },
	"rloo":        func() Algorithm { return DefaultRLOO() },
	"reinforce++": func() Algorithm { return DefaultREINFORCEpp() },
	"gspo":        func() Algorithm { return DefaultGSPO() },
	"cispo":       func() Algorithm { return DefaultCISPO() },
	"ppo":         func() Algorithm { return DefaultPPO() },
}

// NewAlgorithm is the algorithm of a name, a pointer to its parameters as published, to decode a recipe's over.
func NewAlgorithm(name string) (Algorithm, error) {
	f := algorithms[name]
	if f == nil {
		return nil, fmt.Errorf("rl: no algorithm %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(algorithms)), ", "))
	}
	return f(), nil
}

func firstError(name string, errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
