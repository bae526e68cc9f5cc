//go:build linux

package system

//go:generate go tool bpf2go -tags linux -go-package system -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" -type call -type signal -type credential -type namespaces -type bpf_call -type module_load -type capability -type oom bpf system.bpf.c
