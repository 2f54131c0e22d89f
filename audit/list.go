package audit

import (
	"fmt"
	"io"
)

// List names all claims and statements.
func (d *Data) List(w io.Writer) {
	fmt.Fprintf(w, "%d claims:\n", len(d.Claims))
	for _, c := range d.Claims {
		fmt.Fprintf(w, "  %-26s %s, %s\n", c.ID, c.Name, c.Date)
	}
	if len(d.Statements) > 0 {
		fmt.Fprintf(w, "%d statements:\n", len(d.Statements))
	}
	for _, s := range d.Statements {
		fmt.Fprintf(w, "  %-26s %s, %s\n", s.ID, s.Who, s.Date)
	}
}
