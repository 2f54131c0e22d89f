package zoo

import (
	"errors"
	"fmt"

	"github.com/pennyml/penny/model"
)

// Learn opens a checkpoint of any format to go on learning from. All weights are decoded to memory, and the files are closed.
func Learn(path string, o model.LearnOptions) (*model.Learner, error) {
	return LearnAs(path, func(*model.Config) error { return nil }, o)
}

// LearnAs is Learn of a network whose configuration is to change first, as when its context is extended.
func LearnAs(path string, change func(*model.Config) error, o model.LearnOptions) (*model.Learner, error) {
	f := &Loaded{Path: path}
	config, weights, err := f.read()
	if err != nil {
		return nil, err
	}
	var l *model.Learner
	if err = change(config); err == nil {
		l, err = learn(config, weights, o)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	if closing := f.file.Close(); closing != nil && err == nil {
		err = errors.Join(closing, l.Close())
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// LearnNew makes a network that learns from weights that were made up (model.FreshWeights).
func LearnNew(c *model.Config, w *model.Weights, o model.LearnOptions) (*model.Learner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return learn(c, w, o)
}

// learn builds a network that learns.
func learn(c *model.Config, w *model.Weights, o model.LearnOptions) (*model.Learner, error) {
	build := architectures[c.Arch]
	if build == nil {
		return nil, fmt.Errorf("architecture %q is not supported", c.Arch)
	}
	options, err := o.Options()
	if err != nil {
		return nil, err
	}
	params := w.Learn(c, &o)
	net, err := build(c, w, options)
	if err != nil {
		return nil, err
	}
	return model.NewLearner(net, params, o)
}
