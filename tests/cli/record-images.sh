# needs: kvm
# Images that are none: exit 1 or 2, what is wrong and what to do, no trace file left behind.
try() { echo "\$ record $*"; $KTRACE record -q "$@" --steps 10 -o t.db; echo "-> $?"; }
try --vm missing.img
try --vm .
: >empty; try --vm empty
printf '\377\330\377\340\000\020JFIF\000' >photo.jpg; head -c 3000 /dev/zero >>photo.jpg; try --vm photo.jpg
echo 'hello, this is text' >text; try --vm text
python3 - <<'P'
import struct
def elf64(machine, paddr, filesz, memsz, offset=0x1000, entry=0x100000, size=0x2000, phnum=1, phoff=64):
    h = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, phoff, 0, 0, 64, 56, phnum, 0, 0, 0)
    p = struct.pack("<IIQQQQQQ", 1, 5, offset, paddr, paddr, filesz, memsz, 0x1000)
    return (h + p).ljust(size, b"\0")
open("arm64.elf", "wb").write(elf64(183, 0x100000, 0x100, 0x100))
open("outside.elf", "wb").write(elf64(62, 0x40000000, 0x100, 0x100))
open("wraps.elf", "wb").write(elf64(62, 0xfffffffffffff000, 0x100, 0x2000))
open("short.elf", "wb").write(elf64(62, 0x100000, 0x100000, 0x100000))
open("headers.elf", "wb").write(elf64(62, 0x100000, 0x100, 0x100, phoff=0x7fffffff))
bz = bytearray(0x3000)
bz[0x1f1] = 4
bz[0x1fe:0x200] = b"\x55\xaa"
bz[0x202:0x206] = b"HdrS"
struct.pack_into("<I", bz, 0x1f4, 0x60000)
struct.pack_into("<H", bz, 0x206, 0x20f)
bz[0x211] = 1
struct.pack_into("<H", bz, 0x236, 1)
struct.pack_into("<I", bz, 0x248, 0x300)
struct.pack_into("<I", bz, 0x24c, 0x500000)
open("cut.bzimage", "wb").write(bz)
P
try --vm arm64.elf
try --vm outside.elf
try --vm wraps.elf
try --vm short.elf
try --vm headers.elf
try --vm cut.bzimage
try --vm cut.bzimage --initrd missing.cpio
head -c 512 /dev/zero >flat; try --vm flat --load 0x7ffffff0 --mode protected
ls *.db 2>/dev/null
