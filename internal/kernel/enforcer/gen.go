//go:build linux

package enforcer

//go:generate go tool bpf2go -tags linux -go-package enforcer -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" -type denial -type setting -type total -type cpu_stats file file.bpf.c
//go:generate go tool bpf2go -tags linux -go-package enforcer -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" -type question -type what -output-suffix _test parity parity.bpf.c
//go:generate go tool bpf2go -tags linux -go-package enforcer -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" -type mount_binding -type file_binding -type descriptor -type label -type labelling identity identity.bpf.c
//go:generate go tool bpf2go -tags linux -go-package enforcer -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" exec exec.bpf.c
//go:generate go tool bpf2go -tags linux -go-package enforcer -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" -type hook system system.bpf.c
//go:generate go tool bpf2go -tags linux -go-package enforcer -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" network network.bpf.c
//go:generate go tool bpf2go -tags linux -go-package enforcer -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" cgroup cgroup.bpf.c
