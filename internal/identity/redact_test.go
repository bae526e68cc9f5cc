package identity

import (
	"slices"
	"strings"
	"testing"
)

var (
	ghToken = "ghp_" + strings.Repeat("a1B2", 9)
	jwt     = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
)

// TestRedactArgv: the words of a command line are given apart by |, and so are the wanted ones.
func TestRedactArgv(t *testing.T) {
	for in, want := range map[string]string{
		"prog|--password=x y":                                              "prog|--password=[redacted]",
		"prog|--db-password|hunter2|--port|1":                              "prog|--db-password|[redacted]|--port|1",
		"prog|-password|x":                                                 "prog|-password|[redacted]",
		"prog|--apiKey=x|--clientSecret:x":                                 "prog|--apiKey=[redacted]|--clientSecret:x",
		"java|-Dspring.datasource.password=x":                              "java|-Dspring.datasource.password=[redacted]",
		"helm|--set|db.password=x,a=b":                                     "helm|--set|db.password=[redacted]",
		"mount|-o|user=a,password=b,ro":                                    "mount|-o|user=a,password=[redacted],ro",
		"env|TOKEN=a b|GITHUB_PAT=x|PWD=/home|run":                         "env|TOKEN=[redacted]|GITHUB_PAT=[redacted]|PWD=/home|run",
		"env|PGPASSWORD=x|psql":                                            "env|PGPASSWORD=[redacted]|psql",
		"mysql|-pSECRET|-P3306|db":                                         "mysql|-p[redacted]|-P3306|db",
		"sudo|/usr/bin/mysqldump|-u|root|-pS":                              "sudo|/usr/bin/mysqldump|-u|root|-p[redacted]",
		"mysql|-psec ret|db":                                               "mysql|-p[redacted]|db",
		"aws|configure|set|aws_secret_access_key|x":                        "aws|configure|set|aws_secret_access_key|[redacted]",
		"xfreerdp|/u:a|/p:x":                                               "xfreerdp|/u:a|/p:[redacted]",
		"python3|-c|os.environ['API_KEY']='x'; y":                          "python3|-c|os.environ['API_KEY']='[redacted]'; y",
		"git|-c|http.extraHeader=AUTHORIZATION: basic eHg6|fetch":          "git|-c|http.extraHeader=AUTHORIZATION: basic [redacted]|fetch",
		"sh|-c|curl -H \"Authorization: Bearer abcdefghi\" https://u:p@h/": "sh|-c|curl -H \"Authorization: Bearer [redacted]\" https://u:[redacted]@h/",
		"mysql|-p|db":                                                      "mysql|-p|db",
		"sshpass|-p|-s|ssh|-p|22|h":                                        "sshpass|-p|[redacted]|ssh|-p|[redacted]|h",
		"curl|-u|joe:pw|https://h/":                                        "curl|-u|joe:[redacted]|https://h/",
		"curl|-ujoe:pw":                                                    "curl|-ujoe:[redacted]",
		"curl|-u|joe":                                                      "curl|-u|joe",
		"curl|-H|Authorization: Bearer abc":                                "curl|-H|Authorization: Bearer [redacted]",
		"curl|-H|authorization:Basic abc=":                                 "curl|-H|authorization:Basic [redacted]",
		"curl|-H|X-Api-Key: abc":                                           "curl|-H|X-Api-Key: [redacted]",
		"curl|-H|Cookie: a=b; c=d":                                         "curl|-H|Cookie: [redacted]",
		"curl|-H|Accept: text/html":                                        "curl|-H|Accept: text/html",
		"curl|-d|{\"user\":\"a\",\"password\":\"b\"}":                      "curl|-d|{\"user\":\"a\",\"password\":\"[redacted]\"}",
		"curl|https://h/?a=1&access_token=x&b=2":                           "curl|https://h/?a=1&access_token=[redacted]&b=2",
		"redis-cli|-a|x|get|k":                                             "redis-cli|-a|[redacted]|get|k",
		"docker|run|-p|80:80|img":                                          "docker|run|-p|80:80|img",
		"docker|login|-u|a|-p|x|host":                                      "docker|login|-u|a|-p|[redacted]|host",
		"openssl|rsa|-passin|pass:x":                                       "openssl|rsa|-passin|[redacted]",
		"ffmpeg|-pass|1|-i|a":                                              "ffmpeg|-pass|1|-i|a",
		"smbclient|-U|joe%x|//h/s":                                         "smbclient|-U|joe%[redacted]|//h/s",
		"git|clone|https://joe:x@h/r":                                      "git|clone|https://joe:[redacted]@h/r",
		"git|clone|https://" + ghToken + "@h/r":                            "git|clone|https://[redacted]@h/r",
		"p|" + ghToken:                                                     "p|[redacted]",
		"p|--x=" + ghToken + ",y":                                          "p|--x=[redacted],y",
		"p|" + jwt:                                                         "p|[redacted]",
		"aws|AKIAIOSFODNN7EXAMPLE":                                         "aws|[redacted]",
		"p|AWS_SECRET_ACCESS_KEY=abc/def+g":                                "p|AWS_SECRET_ACCESS_KEY=[redacted]",
		"sh|-c|PGPASSWORD=x psql -h db":                                    "sh|-c|PGPASSWORD=[redacted] psql -h db",
		"sh|-c|mysql -pX db; echo 'a b'":                                   "sh|-c|mysql -p[redacted] db; echo 'a b'",
		"bash|-lc|run --token abc --n 1":                                   "bash|-lc|run --token [redacted] --n 1",
		"sh|-c|run --token \"$TOKEN\" PASSWORD=$PW":                        "sh|-c|run --token [redacted] PASSWORD=$PW",
		"ssh|h|mysql -pX db":                                               "ssh|h|mysql -p[redacted] db",
		"p|-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n": "p|-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----\n",
		"p|-----BEGIN PRIVATE KEY-----\nMIIcut":                                   "p|-----BEGIN PRIVATE KEY-----[redacted]",
		"p|--no-password|db":                                                      "p|--no-password|db",
		"psql|--password|-h|db":                                                   "psql|--password|-h|db",
		"p|--vaultpin=1|--VaultPin|2":                                             "p|--vaultpin=[redacted]|--VaultPin|[redacted]",
		"p|--password=":                                                           "p|--password=",
	} {
		r := Redactor{Keys: []string{"vaultpin"}}
		argv := strings.Split(in, "|")
		kept := slices.Clone(argv)
		got := strings.Join(r.Argv(argv), "|")
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
		if !slices.Equal(argv, kept) {
			t.Errorf("%s: the caller's arguments were changed", in)
		}
	}
}

var harmless = []string{
	"/usr/bin/python3", "-m", "http.server", "--port=8080", "--password-file=/etc/pw", "--max-tokens=5", "--tokenizer", "bert",
	"-v", "/etc/secret:/run/secret:ro", "registry/token:latest", "PWD=/root", "OLDPWD=/", "--bypass", "compass=north",
	"https://host:8443/path?x=1", "http://[::1]:80/", "user@host:/path", "10.0.0.1:443", "-----BEGIN CERTIFICATE-----",
	"C:\\x", "a:b:c", "eyJ.x", "sk-short", "ghp_short", "a = b", "key: value", "-p", "22", "--author=Ann", "bearer of news", "", "=", ":", "--",
}

func TestRedactLeavesTheHarmlessAlone(t *testing.T) {
	var r Redactor
	got := r.Argv(harmless)
	if d := slices.Compare(got, harmless); d != 0 {
		t.Errorf("got %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { r.Argv(harmless) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("sh -c 'mysql -pX' \"password\" : \"x\\\"y\"", "hunter2")
	f.Add("https://u:p@h Authorization: Bearer x", "a b")
	f.Add("-----BEGIN PRIVATE KEY-----eyJ", "$x")
	f.Fuzz(func(t *testing.T, text, secret string) {
		var r Redactor
		r.Text(text)
		r.Argv([]string{"sh", "-c", text, text, secret})
		if secret != "" && secret[0] != '$' {
			if got := r.Argv([]string{"x", "--password=" + secret}); got[1] != "--password="+Redacted && !strings.ContainsAny(secret, " \t\n") {
				t.Errorf("got %q", got)
			}
		}
		if got := r.Argv([]string{"sshpass", "-p", secret}); got[2] != Redacted {
			t.Errorf("got %q", got)
		}
	})
}

func BenchmarkRedactHarmless(b *testing.B) {
	var r Redactor
	b.ReportAllocs()
	for b.Loop() {
		r.Argv(harmless)
	}
}
