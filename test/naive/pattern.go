package naive

import (
	"regexp"
	"strings"
)

// pattern is what a glob is as a regular expression.
func (p *Policy) pattern(glob string) *regexp.Regexp {
	if p.patterns[glob] == nil {
		expression, _, rest := translate(glob, false)
		if rest != "" {
			panic("untranslated: " + rest)
		}
		p.patterns[glob] = regexp.MustCompile(`(?s)\A` + expression + `\z`)
	}
	return p.patterns[glob]
}

// specificityOf is the length of the literal beginning, and how many literal bytes there are at least.
func specificityOf(glob string) [4]int {
	prefix := 0
	for i := 0; i < len(glob) && !strings.ContainsRune("*?[{", rune(glob[i])); i++ {
		if glob[i] == '\\' {
			i++
		}
		prefix++
	}
	_, literals, _ := translate(glob, false)
	return [4]int{prefix, literals}
}

// translate makes a regular expression of a glob, up to the , or } that ends it within braces.
func translate(glob string, braces bool) (expression string, literals int, rest string) {
	for glob != "" {
		c := glob[0]
		switch {
		case braces && (c == ',' || c == '}'):
			return expression, literals, glob
		case strings.HasPrefix(glob, "**"):
			expression, glob = expression+`.*`, glob[2:]
		case c == '*':
			expression, glob = expression+`[^/]*`, glob[1:]
		case c == '?':
			expression, glob = expression+`[^/]`, glob[1:]
		case c == '[':
			end := strings.IndexByte(glob, ']')
			set := glob[1:end]
			if strings.HasPrefix(set, "!") {
				set = "^/" + set[1:]
			}
			expression, glob = expression+"["+set+"]", glob[end+1:]
		case c == '{':
			least := -1
			for expression += "(?:"; glob[0] != '}'; {
				var one string
				var n int
				one, n, glob = translate(glob[1:], true)
				expression += one + "|"
				if least < 0 || n < least {
					least = n
				}
			}
			expression, glob, literals = expression[:len(expression)-1]+")", glob[1:], literals+least
		default:
			if c == '\\' {
				glob = glob[1:]
			}
			expression, glob, literals = expression+regexp.QuoteMeta(glob[:1]), glob[1:], literals+1
		}
	}
	return expression, literals, ""
}
