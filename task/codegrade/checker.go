package codegrade

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pennyml/penny/internal/sandbox"
)

// checker is a sandboxed interpreter that runs tests, each job in a forked child.
type checker struct {
	p *sandbox.Process
}

// checkerLimits are those of all the jobs of one checker together; each job's child limits itself.
func checkerLimits() sandbox.Limits {
	l := sandbox.Default()
	l.CPU, l.Wall, l.Memory, l.Processes = 1000*time.Hour, 1000*time.Hour, 2<<30, 16
	return l
}

// checkJob is what a checker is told.
type checkJob struct {
	Key    string     `json:"key"` // signs the record
	Nonce  string     `json:"nonce"`
	Setup  string     `json:"setup"`
	Tests  string     `json:"tests"`
	Entry  string     `json:"entry"`
	Method bool       `json:"method"` // Entry is a method of class Solution
	Cases  []callCase `json:"cases"`
	CPU    int        `json:"cpu"` // seconds for the checker's own work
}

func newChecker(p *python) (*checker, error) {
	s := p.spec(checkerLimits(), 0, "-c", checkerPy)
	s.Talk = true
	proc, err := sandbox.Start(s)
	if err != nil {
		return nil, err
	}
	return &checker{proc}, nil
}

func (c *checker) close() {
	c.p.Kill()
	c.p.Wait()
}

// errChecker says that a checker broke.
var errChecker = errors.New("the checker of code tests ended")

var errHungUp = errors.New("no record came")

// judge runs one job. An error means that the checker must not be used again.
func (c *checker) judge(prog *sandbox.Process, job Job, s suite, l sandbox.Limits) (outcome, error) {
	key, nonce := make([]byte, 32), make([]byte, 16)
	rand.Read(key)
	rand.Read(nonce)
	j := checkJob{Key: hex.EncodeToString(key), Nonce: hex.EncodeToString(nonce), Setup: job.Setup, Tests: s.code, Entry: job.Entry, Cases: s.calls,
		CPU: int(l.CPU.Seconds()) + 5}
	if s.entry != "" {
		j.Entry = s.entry
	}
	j.Method = s.calls != nil && hasSolution(job.Program)
	b, err := json.Marshal(j)
	if err != nil {
		return outcome{}, err
	}
	if err := writeFrame(c.p.Talk.W, []byte("J"), b); err != nil {
		return outcome{}, fmt.Errorf("%w: %v", errChecker, err)
	}
	return c.relay(prog, key, j.Nonce)
}

// relay carries calls to the program and answers back until the checker gives its record.
func (c *checker) relay(prog *sandbox.Process, key []byte, nonce string) (outcome, error) {
	for {
		m, err := readFrame(c.p.Talk.R)
		if err != nil || len(m) == 0 {
			return outcome{}, fmt.Errorf("%w: %w: %v", errChecker, errHungUp, err)
		}
		switch m[0] {
		case 'C':
			err = c.call(prog, m[1:])
		case 'V':
			return read(m[1:], key, nonce)
		case 'X': // the child is gone: its limits are there for answers that never end or are too large
			return outcome{kind: Wrong, reason: "the checker could not compare the answers within its limits"}, nil
		default:
			err = fmt.Errorf("a message %q", m[0])
		}
		if err != nil {
			return outcome{}, fmt.Errorf("%w: %v", errChecker, err)
		}
	}
}

// call has the program evaluate an expression.
func (c *checker) call(prog *sandbox.Process, expression []byte) error {
	if writeFrame(prog.Talk.W, expression) == nil {
		if answer, err := readFrame(prog.Talk.R); err == nil {
			return writeFrame(c.p.Talk.W, []byte("R"), answer)
		}
	}
	return writeFrame(c.p.Talk.W, []byte("D"))
}

// read checks a record's signature.
func read(b, key []byte, nonce string) (outcome, error) {
	var r struct{ Kind, Reason, MAC string }
	if err := json.Unmarshal(b, &r); err != nil {
		return outcome{}, fmt.Errorf("%w: record: %v", errChecker, err)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(nonce + "\x00" + r.Kind))
	if mac, err := hex.DecodeString(r.MAC); err != nil || !hmac.Equal(mac, h.Sum(nil)) {
		return outcome{}, fmt.Errorf("%w: the record's signature is wrong", errChecker)
	}
	switch r.Kind {
	case "gone":
		return leftEarly, nil
	case "grader":
		return outcome{kind: kindTests, reason: r.Reason}, nil
	case "pass":
		r.Reason = "every test passed"
	}
	return outcome{kind: Kind(r.Kind), reason: r.Reason}, nil
}

// kindTests marks tests that are no tests: an error, not a verdict.
const kindTests Kind = "tests"

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	return text(b)
}
