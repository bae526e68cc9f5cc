//go:build linux

package file

type flag struct {
	bits uint32
	name string
}

// openTable leaves out the access mode and what is the descriptor's or the ABI's affair (O_CLOEXEC, O_LARGEFILE). A flag
// that includes another stands before it. Values: include/uapi/asm-generic/fcntl.h.
var openTable = []flag{
	{0x40, "O_CREAT"},
	{0x80, "O_EXCL"},
	{0x100, "O_NOCTTY"},
	{0x200, "O_TRUNC"},
	{0x400, "O_APPEND"},
	{0x800, "O_NONBLOCK"},
	{0x101000, "O_SYNC"},
	{0x1000, "O_DSYNC"},
	{0x2000, "O_ASYNC"},
	{0x4000, "O_DIRECT"},
	{0x410000, "O_TMPFILE"},
	{0x10000, "O_DIRECTORY"},
	{0x20000, "O_NOFOLLOW"},
	{0x40000, "O_NOATIME"},
}

// renameTable is of include/uapi/linux/fs.h.
var renameTable = []flag{
	{1, "RENAME_NOREPLACE"},
	{2, "RENAME_EXCHANGE"},
	{4, "RENAME_WHITEOUT"},
}

func openFlags(bits uint32) []string   { return flagNames(openTable, bits) }
func renameFlags(bits uint32) []string { return flagNames(renameTable, bits) }

func flagNames(table []flag, bits uint32) []string {
	var names []string
	for _, f := range table {
		if bits&f.bits == f.bits {
			names = append(names, f.name)
			bits &^= f.bits
		}
	}
	return names
}
