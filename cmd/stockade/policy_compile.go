package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy/compile"
)

func newPolicyCompile() *cobra.Command {
	var image string
	c := &cobra.Command{
		Use:   "compile FILE",
		Short: "Compile a policy, and say what each of its entries takes",
		Long: "Turns a policy into the image that decides accesses, and says how large the tables of each process entry are. What\n" +
			"several entries share is counted for each of them, and once in the total. A policy that is over the bounds of an\n" +
			"image is refused, with the numbers and the entry that costs most.",
		Example: "  stockade policy compile policy.yaml\n  stockade policy compile --image policy.img policy.yaml",
		Args:    arguments("FILE"),
	}
	c.Flags().StringVar(&image, "image", "", "write the image to `IMG`: the same policy makes the same bytes on every system")
	format := outputFlag(c, show.Table, show.JSON)
	c.RunE = func(c *cobra.Command, args []string) error {
		p, img, err := loadPolicy(args[0])
		if err != nil {
			return err
		}
		bytes := img.Bytes()
		if image != "" {
			if err := replaceFile(image, bytes, 0o644); err != nil {
				return err
			}
		}
		result := compiled{File: args[0], Digest: p.Digest(), ImageBytes: len(bytes), Rules: len(img.Rules), Decisions: len(img.Decisions), Total: img.Size(), Subjects: img.Sizes()}
		if *format == show.JSON {
			return show.Document(c.OutOrStdout(), result)
		}
		return writeCompiled(c.OutOrStdout(), result)
	}
	return c
}

// compiled is what policy compile says of an image.
type compiled struct {
	File   string `json:"file"`
	Digest string `json:"digest"`
	// ImageBytes is the length of the binary form.
	ImageBytes int            `json:"image_bytes"`
	Rules      int            `json:"rules"`
	Decisions  int            `json:"decisions"`
	Total      compile.Size   `json:"total"`
	Subjects   []compile.Size `json:"subjects"`
}

func writeCompiled(w io.Writer, r compiled) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SUBJECT\tAUTOMATA\tCELLS\tPREFIXES\tPORT RANGES\tBYTES")
	row := func(name string, s compile.Size) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\n", show.Escape(name), s.Automata, s.Cells, s.Prefixes, s.Ports, s.Bytes)
	}
	for _, s := range r.Subjects {
		row(s.Subject, s)
	}
	row("(all, and the host)", r.Total)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s: %s, %s, image of %d bytes, digest %s\n", show.Escape(r.File), count(r.Rules, "rule"), count(r.Decisions, "decision"), r.ImageBytes, r.Digest)
	return err
}
