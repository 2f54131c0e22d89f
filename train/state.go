package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"unsafe"

	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/train/data"
	"github.com/pennyml/penny/train/optim"
)

// Progress is how far a run has come: with the tensors of a State, all that it goes on with. Nothing in it depends on time, threads or micro-batches.
type Progress struct {
	Seed    uint64          `json:"seed"`
	Step    int             `json:"step"`           // made in all
	Tokens  int64           `json:"tokens"`         // learnt from in all, by rows of the network
	FLOPs   int64           `json:"flops"`          // of training and evaluation, repetitions left out
	Stage   int             `json:"stage"`          // number of the stage at hand
	Begin   Counts          `json:"begin"`          // where it began
	Steps   int             `json:"schedule_steps"` // the length of its schedule
	Updates int             `json:"updates"`        // of the optimiser in this stage: steps but for those skipped
	Cursor  data.Cursor     `json:"cursor"`         // in the stage's data
	Mark    json.RawMessage `json:"mark,omitempty"` // where a stage that does not learn from data stands
	Losses  []float64       `json:"losses"`         // of the last steps, for telling a jump
	Skipped int             `json:"skipped"`        // steps in a row
	Loss    *float64        `json:"loss"`           // of the last step
	ValLoss *float64        `json:"val_loss"`
	Best    *float64        `json:"best"`  // least ValLoss of the stage
	Ended   string          `json:"ended"` // why the stage is over; empty: it is not
}

// Counts are what a stage's budget is counted from.
type Counts struct {
	Step   int   `json:"step"`
	Tokens int64 `json:"tokens"`
	FLOPs  int64 `json:"flops"`
}

// State is a run between two steps.
type State struct {
	Progress
	Tensors   []*grad.Param    // of the network, frozen ones too
	Adapted   []*grad.Param    // those that alone learn, where that is what LoRA adds; nil: all do
	Optimizer *optim.Optimizer // of the stage
	Average   *optim.EMA       // nil: none
}

// essence is what the next steps depend on. How the run was watched, accounted for and cut into files is no part of it.
func (p Progress) essence() map[string]any {
	p.Cursor.Data = "" // names files, which may lie elsewhere another time
	m := map[string]any{"seed": p.Seed, "step": p.Step, "tokens": p.Tokens, "stage": p.Stage, "begin_step": p.Begin.Step, "begin_tokens": p.Begin.Tokens,
		"schedule_steps": p.Steps, "updates": p.Updates, "cursor": p.Cursor, "losses": p.Losses, "skipped": p.Skipped}
	if len(p.Mark) > 0 {
		m["mark"] = p.Mark
	}
	return m
}

// Hash is the SHA-256 of the state: each tensor of the network, the optimiser and the average, as name, length and little-endian values, then as canonical
// JSON the seed, the counts, the cursor and the last losses.
func (s *State) Hash() (ledger.Hash, error) {
	h := sha256.New()
	fmt.Fprintf(h, "penny state 1\n")
	for _, p := range s.Tensors {
		if p.Value != nil {
			hashTensor(h, p.Name, floatBytes(p.Value))
		} else {
			hashTensor(h, p.Name, halfBytes(p.Half))
		}
	}
	s.moments(func(name string, v []float32) { hashTensor(h, name, floatBytes(v)) })
	text, err := ledger.Canonical(s.Progress.essence())
	if err != nil {
		return "", err
	}
	h.Write(text)
	return ledger.Hash(hex.EncodeToString(h.Sum(nil))), nil
}

// moments shows f the tensors that are not the network's.
func (s *State) moments(f func(name string, v []float32)) {
	s.Optimizer.State(f)
	if s.Average != nil {
		s.Average.State(f)
	}
}

func hashTensor(h hash.Hash, name string, values []byte) {
	fmt.Fprintf(h, "%d %s %d\n", len(name), name, len(values))
	h.Write(values)
}

// littleEndian says that memory holds numbers as files do.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// floatBytes are values as files hold them.
func floatBytes(v []float32) []byte {
	if len(v) == 0 {
		return nil
	}
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))
	}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, v)
	return b.Bytes()
}

func halfBytes(v []uint16) []byte {
	if len(v) == 0 {
		return nil
	}
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 2*len(v))
	}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, v)
	return b.Bytes()
}

// setFloats reads values as files hold them.
func setFloats(v []float32, b []byte) error {
	if len(b) != 4*len(v) {
		return fmt.Errorf("%d bytes for %d values", len(b), len(v))
	}
	return binary.Read(bytes.NewReader(b), binary.LittleEndian, v)
}

// Clone shares nothing with p.
func (p Progress) Clone() Progress {
	text, err := json.Marshal(p)
	var c Progress
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		panic(err) // plain values
	}
	return c
}
