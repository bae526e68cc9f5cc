package verdict_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// TestDecodedImages decides by images that somebody has changed: what Decode accepts has an answer to everything.
func TestDecodedImages(t *testing.T) {
	text, err := os.ReadFile("../policy/compile/testdata/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data := image(t, string(text)).Bytes()
	const sumAt = 12 // behind the magic and the version
	random := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 3000 {
		changed := bytes.Clone(data)
		body := changed[sumAt+sha256.Size:]
		for range 1 + random.IntN(4) {
			binary.LittleEndian.PutUint32(body[random.IntN(len(body)-4):], uint32(random.IntN(40)))
		}
		sum := sha256.Sum256(body)
		copy(changed[sumAt:], sum[:])
		if img, err := compile.Decode(changed); err == nil {
			accepted++
			decideAll(img, random)
		}
	}
	if accepted < 10 {
		t.Errorf("only %d images were accepted", accepted)
	}
}

// decideAll makes every access of every subject.
func decideAll(img *compile.Image, random *rand.Rand) {
	task := verdict.Identify(img, verdict.Facts{
		Exe: "/usr/sbin/nginx", UID: 33, User: "www-data", Unit: "nginx.service", Cgroup: "/init.scope", Container: &event.Container{},
	}, nil)
	for op := verdict.OpExec; op <= verdict.OpEgress; op++ {
		for task.Subject = range uint32(len(img.Subjects)) {
			for _, path := range []string{"/etc/nginx/x", ""} {
				a := verdict.Access{
					Op: op, Path: path, Letters: 7, Peer: netip.MustParseAddrPort("10.0.0.1:443"), Protocol: "tcp",
					Name: "www.example.com", Names: []string{"www.example.com"}, Interface: "eth0",
					Number: uint32(random.IntN(600)), Target: uint32(random.IntN(len(img.Subjects) + 1)), Value: 1 << 40,
				}
				d := verdict.Decide(img, task, &a)
				verdict.Detail(img, task, &a, d)
			}
		}
	}
}
