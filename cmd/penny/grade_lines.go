package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
)

// maxLine bounds one line of input.
const maxLine = 64 << 20

// graded is a line's result: it knows whether it is a right answer, and can say instead that the line has no verdict.
type graded[R any] interface {
	right() bool
	without(err error) R
}

// gradeLines grades lines, several at once, and writes the results in the order of the input, one for each line that is not blank. A line without
// a verdict has a result that says so, by its number; the rest goes on, and the error at the end names the first such line.
// seen gets each result, in order.
func gradeLines[R graded[R]](in io.Reader, out io.Writer, jobs int, bar *progress, grade func(line []byte) (R, error), seen func(R)) error {
	if jobs == 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	type outcome struct {
		result R
		err    error
	}
	order, slots, stop := make(chan chan outcome, 4*jobs), make(chan struct{}, jobs), make(chan struct{})
	defer close(stop)
	read := make(chan error, 1)
	go func() {
		defer close(order)
		read <- eachLine(in, func(number int, line []byte, err error) bool {
			done := make(chan outcome, 1)
			select {
			case order <- done:
			case <-stop:
				return false
			}
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				var o outcome
				if o.err = err; err == nil {
					o.result, o.err = grade(line)
				}
				if o.err != nil {
					o.err = fmt.Errorf("line %d: %w", number, o.err)
				}
				done <- o
			}()
			return true
		})
	}()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	var right, total, bad int
	var first error
	for done := range order {
		o := <-done
		if o.err != nil {
			o.result = o.result.without(o.err)
			if bad++; first == nil {
				first = o.err
			}
		}
		if err := enc.Encode(o.result); err != nil {
			return err
		}
		seen(o.result)
		total++
		if o.result.right() {
			right++
		}
		bar.show(total, right)
	}
	bar.end(total, right)
	if bad > 0 {
		first = fmt.Errorf("%d of %d lines have no verdict; %w", bad, total, first)
	}
	return errors.Join(first, <-read)
}

// eachLine visits the lines that are not blank, until visit says no. A line that is too long is visited as an error.
func eachLine(in io.Reader, visit func(number int, line []byte, err error) bool) error {
	r := bufio.NewReaderSize(in, 1<<16)
	for number := 1; ; number++ {
		var line []byte
		var tooLong, err error
		for part, more := []byte(nil), true; more; {
			part, err = r.ReadSlice('\n')
			if more = errors.Is(err, bufio.ErrBufferFull); more {
				err = nil
			}
			if len(line)+len(part) > maxLine {
				tooLong = fmt.Errorf("longer than %d MiB", maxLine>>20)
				continue
			}
			line = append(line, part...)
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if line = bytes.TrimSpace(line); (len(line) > 0 || tooLong != nil) && !visit(number, line, tooLong) {
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
