//go:build linux

package kernel

import "github.com/stockade-security/stockade/event"

// Types of a file by the S_IFMT bits of its mode.
const (
	modeType   = 0o170000
	modeFIFO   = 0o010000
	modeChar   = 0o020000
	modeDir    = 0o040000
	modeBlock  = 0o060000
	modeFile   = 0o100000
	modeLink   = 0o120000
	modeSocket = 0o140000
)

// File describes a file by its path and the parts of struct object; an inode and device of 0 leave those fields empty.
func File(path string, inode uint64, device uint32, mode uint16) event.File {
	f := event.File{Path: path, Inode: inode, Type: FileType(mode)}
	if inode != 0 || device != 0 {
		f.Device = Device(device)
	}
	return f
}

// FileType names the type in an inode's mode.
func FileType(mode uint16) string {
	switch mode & modeType {
	case modeFile:
		return "file"
	case modeDir:
		return "directory"
	case modeLink:
		return "symlink"
	case modeFIFO:
		return "fifo"
	case modeSocket:
		return "socket"
	case modeChar:
		return "char"
	case modeBlock:
		return "block"
	case 0:
		return ""
	default:
		return "anonymous"
	}
}
