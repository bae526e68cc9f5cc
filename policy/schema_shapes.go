package policy

import "strings"

// The parts of patterns. They let through whatever the reader takes, in the regular expressions that RE2 and ECMA share.
const (
	portExpr     = `[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*`
	protocolExpr = `/(?:[tT][cC][pP]|[uU][dD][pP])`
	labelExpr    = `[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?`
	// lastExpr is a label that is no number.
	lastExpr  = `(?:[0-9-]*[A-Za-z_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?|[0-9]+-[0-9-]*[0-9])`
	hostExpr  = `(?:\*\*?\.)?(?:` + labelExpr + `\.)*` + lastExpr + `\.?`
	octetExpr = `(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	ipv4Expr  = octetExpr + `(?:\.` + octetExpr + `){3}`
	ipv6Expr  = `[0-9A-Fa-f]*:[0-9A-Fa-f:.]*`
	bitsExpr  = `(?:/[0-9]{1,3})?`
	classExpr = `@(?:loopback|private|link-local|metadata|resolvers)`
	unixExpr  = `unix:(?:@|/|\*\*|\{|\\/).*`
	// ipv6Expr without brackets takes no ports.
	numericExpr = `(?:` + ipv4Expr + bitsExpr + `|\[` + ipv6Expr + bitsExpr + `\]|` + classExpr + `)(?::` + portExpr + `)?`
	bareExpr    = ipv6Expr + bitsExpr
	namedExpr   = hostExpr + `(?::` + portExpr + `)?`
	endExpr     = `(?:` + protocolExpr + `)?$`
)

// The patterns of entries.
const (
	packetPattern  = `^(?:` + numericExpr + `|` + bareExpr + `|` + namedExpr + `)` + endExpr
	peerPattern    = `^` + unixExpr + `$|` + packetPattern
	listenPattern  = `^(?:` + portExpr + `|` + numericExpr + `|` + bareExpr + `)` + endExpr
	zonePattern    = `^(?:` + portExpr + `|` + numericExpr + `|` + bareExpr + `)$`
	addressPattern = `^(?:` + ipv4Expr + `|` + ipv6Expr + `)$`
	// rootedPattern: only these can match what starts with a slash.
	rootedPattern = `^(?:/|\*\*|\{|\\/)`
	lettersExpr   = `(?:r|w|x|rw|wr|rx|xr|wx|xw|rwx|rxw|wrx|wxr|xrw|xwr)`
	// filePattern: the last word, if it is one that holds letters only, is the access letters.
	filePattern = rootedPattern + `(?:[^ ]*|.* ` + lettersExpr + `|.* [^ ]*[^ A-Za-z][^ ]*|.*\\ [A-Za-z]*)$`
)

func ref(section string) shape { return shape{"$ref": "#/$defs/" + defName(section)} }

// defName is a section's name among the definitions, which may hold no blanks.
func defName(section string) string {
	for _, article := range []string{"a ", "an ", "the "} {
		section = strings.TrimPrefix(section, article)
	}
	return strings.ReplaceAll(section, " ", "_")
}

func listSchema(item shape) shape { return shape{"type": "array", "items": item} }

func oneOrList(item shape) shape {
	return shape{"anyOf": []shape{item, listSchema(item), {"type": "null"}}}
}

// anyText takes numbers and the like too: the reader takes them as text.
func anyText() shape { return shape{"type": []string{"string", "number", "boolean"}} }

func patternText(pattern string) shape { return shape{"type": "string", "pattern": pattern} }

// portText is a text that may be one port.
func portText(pattern string) shape {
	return shape{"type": []string{"string", "integer"}, "pattern": pattern, "minimum": 1, "maximum": 65535}
}

func modeSchema() shape {
	return shape{"enum": []any{string(ModeAudit), string(ModeAlert), string(ModeEnforce), "", nil}}
}

func limitSchema() shape { return shape{"type": "integer", "minimum": 0, "maximum": 1<<31 - 1} }

func countSchema(most int) shape { return shape{"type": "integer", "minimum": 1, "maximum": most} }

func durationSchema() shape { return patternText(`^\+?(?:[0-9.]+(?:ns|us|µs|μs|ms|s|m|h))+$`) }
