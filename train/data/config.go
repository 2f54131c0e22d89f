package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Config says what a run learns from: the section "data" of a recipe.
type Config struct {
	Sources []Source `yaml:"sources"`
	// Sample is how rows are made: "crops" (windows at random places, as nanoGPT), "windows" (neighbouring ones, shuffled), "pack" (whole documents,
	// packed by best fit), "documents" (one a row).
	Sample string `yaml:"sample"`
	// Length is the predictions of a window (which has one token more), or the most tokens of a row of documents.
	Length int `yaml:"length"`
	// MaskDocuments cuts windows where documents end, so that no document sees another.
	MaskDocuments bool `yaml:"mask_documents"`
	// Long is what becomes of documents longer than a row: "split" (into pieces, each beginning with the last token of the one before), "cut", "drop" or
	// "error"; by default text is split and answers are cut.
	Long string `yaml:"long"`
	// Turns is how conversations with several answers are learnt: "all" (in one document), "each" (a document for each answer, with what comes before
	// it as the template then shows it), "last" (the last answer only); "auto" is all where the template allows it, else each.
	Turns string `yaml:"turns"`
	// Shuffle can be set to false to take documents or windows in the order of the files.
	Shuffle *bool `yaml:"shuffle"`
	// Epochs is how often each source is passed through; 0: for ever.
	Epochs int `yaml:"epochs"`
	// LookAhead is the rows that are packed together.
	LookAhead int `yaml:"look_ahead"`
	// BOS and EOS say whether documents of text begin and end with these tokens. By default they do where the tokenizer asks for a BOS and has an EOS.
	BOS *bool `yaml:"bos"`
	EOS *bool `yaml:"eos"`
	// Store is where tokens are kept: "memory", "disk" (a cache of token files), "none" (documents are tokenised each time they are drawn); "auto" is
	// memory for files of up to 64 MiB in all, else disk.
	Store string `yaml:"store"`
	Val   Val    `yaml:"val"`
}

// Val says what is held out for validation.
type Val struct {
	// Fraction of the data is held out.
	Fraction float64 `yaml:"fraction"`
	// By is "tail" (the last tokens or documents of each source; the default for windows) or "hash" (documents by their content; the default for
	// documents).
	By string `yaml:"by"`
	// Sources are held-out files of their own, instead.
	Sources []Source `yaml:"sources"`
	// Rows is the most rows that one evaluation takes; 0: all.
	Rows int `yaml:"rows"`
}

// Source names files and says how they are read.
type Source struct {
	Files Paths `yaml:"files"` // paths or patterns
	// Task in place of files makes them: so many (Count) demonstrations of the training problems of a task, as JSON lines with prompt and completion.
	// Seed is of the problems and the demonstrations; 0 is the run's.
	Task  string `yaml:"task"`
	Count int    `yaml:"count"`
	Seed  uint64 `yaml:"seed"`
	// Stage in place of files is the name of an earlier stage of rejection sampling, whose dataset it is.
	Stage string `yaml:"stage"`
	Made  string `yaml:"-"` // the file, once it has been made

	Format string `yaml:"format"` // text, jsonl (also JSON lists, packed), parquet, tokens; by default what the names say
	// Weight is the share of the tokens that is drawn from this source. With no weights the sources are one.
	Weight float64 `yaml:"weight"`
	// Separator stands between the documents of a text; without one each file is a document.
	Separator string `yaml:"separator"`

	// What a row holds is told by its fields: messages (or conversations); prompt and completion; text. Here other fields can be named. A name with
	// {{ or {% in it is a Jinja template over the fields.
	Messages   string `yaml:"messages"`
	Prompt     string `yaml:"prompt"`
	Completion string `yaml:"completion"`
	Text       string `yaml:"text"`
	// Chat puts prompt and completion into the model's chat template, with System before them.
	Chat   bool   `yaml:"chat"`
	System string `yaml:"system"`
	// Special says whether names of special tokens in a text stand for those tokens; by default not in text, but in prompts and completions.
	Special *bool `yaml:"special"`

	Width int    `yaml:"width"` // bytes of a token in plain token files; 0 is 2
	End   *int32 `yaml:"end"`   // the token that ends each document of a plain token file
}

// Paths are one path or several.
type Paths []string

// UnmarshalYAML reads a string or a list of strings.
func (p *Paths) UnmarshalYAML(decode func(any) error) error {
	var one string
	if decode(&one) == nil {
		*p = Paths{one}
		return nil
	}
	var many []string
	err := decode(&many)
	*p = many
	return err
}

// Formats of files.
const (
	formatText    = "text"
	formatJSONL   = "jsonl"
	formatParquet = "parquet"
	formatTokens  = "tokens"
)

// formatOf is the format that a file's name tells, or "".
func formatOf(path string) string {
	name := strings.ToLower(path)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	for format, exts := range map[string][]string{formatText: {".txt", ".text", ".md"}, formatJSONL: {".jsonl", ".json", ".ndjson"},
		formatParquet: {".parquet"}, formatTokens: {".bin", tokenExt}} {
		for _, ext := range exts {
			if strings.HasSuffix(name, ext) {
				return format
			}
		}
	}
	return ""
}

// Default fills what is not set.
func (c *Config) Default() {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&c.Sample, "windows")
	set(&c.Turns, "auto")
	set(&c.Store, "auto")
	if c.windowed() {
		set(&c.Val.By, "tail")
	} else {
		set(&c.Val.By, "hash")
	}
	if c.LookAhead == 0 {
		c.LookAhead = 256
	}
}

func (c *Config) windowed() bool { return c.Sample == "crops" || c.Sample == "windows" }

// meaning is the configuration without what does not change the batches: where files and tokens are kept.
func (c Config) meaning() Config {
	if c.Store != "none" {
		c.Store = ""
	}
	c.Val.Rows = 0
	c.Sources, c.Val.Sources = slices.Clone(c.Sources), slices.Clone(c.Val.Sources)
	for _, list := range [][]Source{c.Sources, c.Val.Sources} {
		for i := range list {
			list[i].Files, list[i].Made = nil, ""
		}
	}
	return c
}

// Validate checks a configuration that Default has filled.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("data: "+format, args...)) }
	choice := func(name, value string, known ...string) {
		if !slices.Contains(known, value) {
			fail("%s: %q: want %s", name, value, strings.Join(known, ", "))
		}
	}
	choice("sample", c.Sample, "crops", "windows", "pack", "documents")
	choice("long", c.Long, "", "split", "cut", "drop", "error")
	choice("turns", c.Turns, "auto", "all", "each", "last")
	choice("store", c.Store, "auto", "memory", "disk", "none")
	choice("val.by", c.Val.By, "tail", "hash")
	switch {
	case c.Length < 1:
		fail("length: %d: want at least 1", c.Length)
	case !c.windowed() && c.Length < 2:
		fail("length: %d: documents need at least 2", c.Length)
	}
	if c.Epochs < 0 || c.LookAhead < 1 || c.Val.Rows < 0 {
		fail("epochs, look_ahead and val.rows must not be negative")
	}
	if c.Val.Fraction < 0 || c.Val.Fraction >= 1 {
		fail("val.fraction: %v: want at least 0 and less than 1", c.Val.Fraction)
	}
	if c.Val.Fraction > 0 && len(c.Val.Sources) > 0 {
		fail("val.fraction and val.sources: only one of them")
	}
	if c.windowed() && c.Val.Fraction > 0 && c.Val.By == "hash" {
		fail("val.by: windows of %s are held out by tail", c.Sample)
	}
	if c.windowed() && c.Store == "none" {
		fail("store: none: %s need the tokens in memory or on disk", c.Sample)
	}
	if c.Sample == "crops" && c.Epochs > 0 {
		fail("epochs: crops are drawn with replacement and have none")
	}
	if c.Shuffle != nil && !*c.Shuffle && c.Sample == "crops" {
		fail("shuffle: crops are random places")
	}
	if len(c.Sources) == 0 {
		fail("sources: none")
	}
	for i, s := range slices.Concat(c.Sources, c.Val.Sources) {
		name := fmt.Sprintf("sources[%d]", i)
		if i >= len(c.Sources) {
			name = fmt.Sprintf("val.sources[%d]", i-len(c.Sources))
		}
		if err := s.validate(); err != nil {
			fail("%s: %w", name, err)
		}
	}
	errs = append(errs, c.checkWeights())
	return errors.Join(errs...)
}

// checkWeights wants all sources to have a weight, or none.
func (c *Config) checkWeights() error {
	n := 0
	for _, s := range c.Sources {
		if s.Weight > 0 {
			n++
		}
	}
	if n != 0 && n != len(c.Sources) {
		return fmt.Errorf("data: %d of %d sources have a weight: all or none", n, len(c.Sources))
	}
	return nil
}

// Paths are the files that the source is read from.
func (s *Source) Paths() Paths {
	if s.Made != "" {
		return Paths{s.Made}
	}
	return s.Files
}

func (s *Source) validate() error {
	switch {
	case s.Task == "" && s.Stage == "" && len(s.Files) == 0:
		return errors.New("files: none")
	case s.Task != "" && len(s.Files) > 0 || s.Stage != "" && (s.Task != "" || len(s.Files) > 0):
		return errors.New("files, task and stage: only one of them")
	case s.Task != "" && s.Count < 1:
		return fmt.Errorf("count: %d demonstrations of task %s", s.Count, s.Task)
	case s.Task == "" && (s.Count != 0 || s.Seed != 0):
		return errors.New("count and seed are of a task")
	case s.Task != "" && s.Format != "" && s.Format != formatJSONL:
		return fmt.Errorf("format: %q, but demonstrations are jsonl", s.Format)
	case s.Weight < 0:
		return fmt.Errorf("weight: %v is negative", s.Weight)
	case !slices.Contains([]string{"", formatText, formatJSONL, formatParquet, formatTokens}, s.Format):
		return fmt.Errorf("format: %q: want text, jsonl, parquet, tokens", s.Format)
	case (s.Prompt == "") != (s.Completion == ""):
		return errors.New("prompt and completion: one without the other")
	case s.System != "" && !s.Chat:
		return errors.New("system: only with chat")
	}
	return nil
}
