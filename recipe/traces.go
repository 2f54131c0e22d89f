package recipe

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/pennyml/penny/train"
	"github.com/pennyml/penny/train/data"
)

// traces makes the files of the sources that are demonstrations of tasks.
func (x *runner) traces() error {
	for i := range x.Stages {
		d := &x.Stages[i].Data
		for _, list := range [][]data.Source{d.Sources, d.Val.Sources} {
			for _, s := range list {
				switch {
				case s.Task != "" && x.o.OpenTask == nil:
					return fmt.Errorf("stage %s: no tasks can be opened here", x.Stages[i].Name)
				case s.Task != "" && x.o.Cache == "":
					return errors.New("demonstrations of tasks need a cache folder")
				}
			}
			if err := train.Traces(list, filepath.Join(x.o.Cache, "traces"), x.Seed, x.o.OpenTask); err != nil {
				return fmt.Errorf("stage %s: %w", x.Stages[i].Name, err)
			}
		}
	}
	return nil
}
