package apply

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAsk(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, " y \n": true, "n\n": false, "\n": false, "": false, "yep\n": false} {
		var out strings.Builder
		got, err := ask(t.Context(), strings.NewReader(answer), &out, "Apply? ")
		if err != nil || got != want || out.String() != "Apply? " {
			t.Errorf("%q: %v, %v, %q", answer, got, err, out.String())
		}
	}
	// Ctrl-C does not wait for an answer.
	silent, end := io.Pipe()
	defer end.Close()
	pressed := errors.New("Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(pressed)
	if yes, err := ask(ctx, silent, io.Discard, "Apply? "); yes || !errors.Is(err, pressed) {
		t.Errorf("%v, %v", yes, err)
	}
}
