//go:build !linux

package sandbox

import (
	"fmt"
	"runtime"
)

// Main does nothing here.
func Main() {}

// Process is a program that runs.
type Process struct {
	Talk Talk
}

// Start refuses.
func Start(Spec) (*Process, error) {
	return nil, Available()
}

// Pool starts nothing here.
type Pool struct{}

// Start refuses.
func (*Pool) Start(Spec) (*Process, error) { return nil, Available() }

// Run refuses.
func (*Pool) Run(Spec) (Result, error) { return Result{}, Available() }

// Close does nothing.
func (*Pool) Close() {}

// Available says what is missing.
func Available() error {
	return fmt.Errorf("%w: namespaces, Landlock and seccomp are Linux's, this is %s", ErrRefused, runtime.GOOS)
}

// Kill does nothing.
func (p *Process) Kill() {}

// Wait never follows a Start that refused.
func (p *Process) Wait() (Result, error) { return Result{}, ErrRefused }

// Layers names what isolation there is: nothing.
func Layers() []Layer { return nil }

// Own does nothing.
func Own(string) error { return nil }
