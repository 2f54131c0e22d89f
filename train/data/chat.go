package data

import "errors"

func (e *encoder) pair(r *Record) ([]Sequence, error)         { return nil, errors.New("todo") }
func (e *encoder) conversation(r *Record) ([]Sequence, error) { return nil, errors.New("todo") }
