package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is the result of a run, as it is written as JSON.
type report struct {
	Date     string     `json:"date"`
	Machine  machine    `json:"machine"`
	Products []*product `json:"products"`
	D        yardstick  `json:"d"`
	Results  []result   `json:"results"`
}

// yardstick is d before and after the measurements: a machine that others use too may have changed.
type yardstick struct {
	summary
	Samples sample  `json:"samples"`
	After   summary `json:"after"`
}

// result is one figure of one product.
type result struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Product string `json:"product"`
	Unit    unit   `json:"unit"`
	summary
	// InD is the median in d, if the figure is one that moves with the machine.
	InD float64 `json:"inD,omitempty"`
	// Must, Goal and Verdict are for Skiff only.
	Must    string `json:"must,omitempty"`
	Goal    string `json:"goal,omitempty"`
	Verdict string `json:"verdict,omitempty"`
	Samples sample `json:"samples"`
}

// report puts together what was found.
func (b *bench) report(after sample) report {
	d := b.d.summary()
	r := report{
		Date: time.Now().UTC().Format(time.DateOnly), Machine: b.machine, Products: b.products,
		D: yardstick{summary: d, Samples: b.d, After: after.summary()}, Results: []result{},
	}
	for _, f := range figures {
		for _, p := range b.products {
			if values := b.found[key{f.ID, p.Name}]; len(values) > 0 {
				r.Results = append(r.Results, resultOf(f, p, values, d.Median))
			}
		}
	}
	return r
}

func resultOf(f figure, p *product, values sample, d float64) result {
	r := result{ID: f.ID, Title: f.Title, Product: p.Name, Unit: f.Unit, summary: values.summary(), Samples: values}
	if f.Unit.inD() {
		r.InD = r.Median / d
	}
	if p.Name == skiffName {
		r.Must, r.Goal, r.Verdict = f.Unit.limit(f.Must), f.Unit.limit(f.Goal), f.verdict(r.Median, d)
	}
	return r
}

// rows are the lines of the table, the heading first.
func (r report) rows() [][]string {
	rows := [][]string{{"id", "figure", "of", "median", "min", "max", "unit", "in d", "must", "goal", ""}}
	for _, f := range r.Results {
		inD := ""
		if f.InD != 0 {
			inD = fmt.Sprintf("%.1f", f.InD)
		}
		rows = append(rows, []string{
			f.ID, f.Title, f.Product, f.Unit.format(f.Median), f.Unit.format(f.Min), f.Unit.format(f.Max), string(f.Unit), inD, f.Must, f.Goal, f.Verdict,
		})
	}
	return rows
}

// legend says what the table was measured on and with.
func (r report) legend() []string {
	var products []string
	for _, p := range r.Products {
		products = append(products, p.Name+" "+p.Version)
	}
	return []string{
		"Machine: " + r.Machine.String(),
		"Measured: " + strings.Join(products, "; ") + "; " + r.Date,
		fmt.Sprintf("d = %.3f s (%.3f to %.3f), and after the run %.3f s", r.D.Median, r.D.Min, r.D.Max, r.D.After.Median),
	}
}

// method says what is not plain from the titles.
func (o options) method() []string {
	return []string{
		fmt.Sprintf("d is the median of %d `docker run -d --network none` of a scratch container, taken before everything else in the same run.", dRuns),
		"A figure must reach what stands under must; the goal is what it is to reach one day.",
		"CPU time of a create: what the node's cgroup used until the command returned, plus the command with its children, plus " +
			"dockerd, containerd, their shims and helpers. The whole machine's figure is all processors' busy time during the command less " +
			fmt.Sprintf("the rate of %v before; it holds the kernel's work too, and whatever else the machine did.", baselineTime),
		"The app's time includes the create and the load of its image; its end is the moment at which a pod resolved the Service's " +
			"name and got an answer from it.",
		"Memory is the node container's without inactive page cache, as `docker stats` shows it; CPU is the node's " +
			fmt.Sprintf("over %v; both on a cluster that was left alone for %v before.", o.window, o.settle),
		fmt.Sprintf("TCP is sent for %d s by a program that writes 1 MiB at once and leaves the rest to the kernel, its choice of congestion "+
			"control too; containers and pods in turn, %d pairs in each iteration. The ratio is of each pair.", streamSeconds, streamPairs),
	}
}

// publish prints the result and writes it where the options say.
func (b *bench) publish(after sample) error {
	r := b.report(after)
	fmt.Printf("%s\n\n%s\n\n%s\n", strings.Join(r.legend(), "\n"), plainTable(r.rows()), strings.Join(b.method(), "\n"))
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if b.json != "" {
		if err := os.WriteFile(b.json, data, 0o644); err != nil {
			return err
		}
	}
	if !b.update {
		return nil
	}
	if err := os.WriteFile(filepath.Join(b.docs, "benchmarks.json"), data, 0o644); err != nil {
		return err
	}
	text := bullets(r.legend()) + "\n" + markdownTable(r.rows()) + "\n" + bullets(b.method())
	return updateDocument(filepath.Join(b.docs, "benchmarks.md"), "result", text)
}
