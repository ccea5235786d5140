# bash completion for ktrace
_ktrace() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]}
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "$(ktrace help 2>/dev/null | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p' | grep -v '^ktrace$')" -- "$cur"))
		return
	fi
	case $prev in
	--vm|--initrd|-i|--input|-o|--output) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
	--mode) COMPREPLY=($(compgen -W "real protected long" -- "$cur")); return ;;
	--boot) COMPREPLY=($(compgen -W "kernel-entry firmware-entry" -- "$cur")); return ;;
	--irq) COMPREPLY=($(compgen -W "deliver" -- "$cur")); return ;;
	--kind) COMPREPLY=($(compgen -W "insn exception irq gap device event" -- "$cur")); return ;;
	esac
	case $cur in
	-*) COMPREPLY=($(compgen -W "$(ktrace "$cmd" --help 2>/dev/null | grep -o -- '--[a-z-]*' | sort -u)" -- "$cur")) ;;
	*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	esac
}
complete -F _ktrace ktrace
