package tokenizer

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"slices"
	"testing"
)

// openFixture unpacks a file of testdata.
func openFixture(t testing.TB, name string) io.Reader {
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestComponents holds small tokenizers, between them of every kind of component, to what Hugging Face's tokenizers 0.23.3 makes of the same
// adversarial texts. See testdata/README.md.
func TestComponents(t *testing.T) {
	s := bufio.NewScanner(openFixture(t, "components.jsonl.gz"))
	s.Buffer(nil, 1<<24)
	var texts []string
	for n := 0; s.Scan(); n++ {
		var r struct {
			Texts []string
			Name  string
			JSON  json.RawMessage
			Rows  []componentRow
		}
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			texts = r.Texts
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			tok, err := ParseJSON(r.JSON)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range r.Rows {
				row.check(t, tok, texts[row.I])
			}
		})
	}
}

type componentRow struct {
	I                  int
	IDs, Special, User []int32
	Decoded            *string
}

func (r *componentRow) check(t *testing.T, tok *Tokenizer, text string) {
	t.Helper()
	if r.User == nil {
		r.User = r.IDs
	}
	for _, c := range []struct {
		what string
		opt  Options
		want []int32
	}{{"ids", Options{}, r.IDs}, {"user", Options{Special: SpecialUser}, r.User}, {"special", Options{AddSpecial: true}, r.Special}} {
		if got := tok.Encode(text, c.opt); c.want != nil && !slices.Equal(got, c.want) {
			t.Errorf("%s of %q:\n got %v\nwant %v", c.what, text, got, c.want)
		}
	}
	if r.Decoded != nil {
		if got := tok.Decode(r.IDs); got != *r.Decoded {
			t.Errorf("decoding %v:\n got %q\nwant %q", r.IDs, got, *r.Decoded)
		}
	}
}
