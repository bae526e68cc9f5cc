package identity

import "strings"

// tool is a program with options for secrets that do not say so.
type tool struct {
	login *tool // its options after the word login
	flags []toolFlag
}

type toolFlag struct {
	name     string
	form     valueForm
	attached bool // the value may follow without a blank
}

// enter notes that the arguments to come may be those of the program a.
func (s *redaction) enter(a string) {
	base := a[strings.LastIndexByte(a, '/')+1:]
	if base == "login" && s.tool != nil && s.tool.login != nil {
		s.tool = s.tool.login
	} else if t, ok := tools[base]; ok {
		s.tool = t
	}
}

// tools never changes.
var tools = toolTable()

func toolTable() map[string]*tool {
	secretP := []toolFlag{{"-p", wholeValue, true}}
	byNames := []struct {
		names string
		tool  tool
	}{
		{"mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlslap", tool{flags: []toolFlag{{"-p", promptOnly, true}}}},
		{"mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check mariadb-show", tool{flags: []toolFlag{{"-p", promptOnly, true}}}},
		{"7z 7za 7zr 7zz", tool{flags: []toolFlag{{"-p", promptOnly, true}}}},
		{"sshpass mongo mongosh mongodump mongorestore mongoexport mongoimport twine useradd usermod", tool{flags: secretP}},
		{"curl", tool{flags: []toolFlag{
			{"-u", afterColon, true},
			{"--user", afterColon, false},
			{"-U", afterColon, true},
			{"--proxy-user", afterColon, false},
			{"--oauth2-bearer", wholeValue, false},
			{"-b", wholeValue, false},
			{"--cookie", wholeValue, false},
		}}},
		{"redis-cli", tool{flags: []toolFlag{{"-a", wholeValue, false}}}},
		{"ldapsearch ldapmodify ldapadd ldapdelete ldappasswd ldapwhoami", tool{flags: []toolFlag{{"-w", wholeValue, true}}}},
		{"smbclient rpcclient net", tool{flags: []toolFlag{{"-U", afterPercent, true}, {"--user", afterPercent, false}}}},
		{"openssl", tool{flags: []toolFlag{
			{"-pass", wholeValue, false},
			{"-passin", wholeValue, false},
			{"-passout", wholeValue, false},
			{"-k", wholeValue, false},
			{"-K", wholeValue, false},
		}}},
		{"zip unzip ipmitool sqlcmd bcp", tool{flags: []toolFlag{{"-P", wholeValue, true}}}},
		{"snmpget snmpwalk snmpset", tool{flags: []toolFlag{{"-A", wholeValue, false}, {"-X", wholeValue, false}, {"-c", wholeValue, false}}}},
		{"aws", tool{flags: []toolFlag{{"aws_secret_access_key", wholeValue, false}, {"aws_session_token", wholeValue, false}}}},
		{"xfreerdp xfreerdp3", tool{flags: []toolFlag{{"/p:", wholeValue, true}}}},
		{"docker podman nerdctl buildah skopeo helm az oc", tool{login: &tool{flags: secretP}}},
	}
	table := map[string]*tool{}
	for _, b := range byNames {
		for name := range strings.FieldsSeq(b.names) {
			table[name] = &b.tool
		}
	}
	return table
}
