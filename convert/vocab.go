package convert

import (
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/model"
)

func (j *job) ggufVocab(w *gguf.Writer) error {
	w.Set("tokenizer.ggml.model", "none")
	setConfigRoles(w, j.source.config)
	return nil
}

// setConfigRoles says which ids begin and end a text as far as config.json knows.
func setConfigRoles(w *gguf.Writer, c *model.Config) {
	if c.BOS >= 0 {
		w.Set("tokenizer.ggml.bos_token_id", uint32(c.BOS))
	}
	for i, key := range []string{"eos", "eot", "eom"} {
		if i < len(c.EOS) {
			w.Set("tokenizer.ggml."+key+"_token_id", uint32(c.EOS[i]))
		}
	}
}
