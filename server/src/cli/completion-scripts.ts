// What shells are told. Each asks `holdfast complete -- WORDS` for what may stand in the last word's place: a line each, with
// a tab before its description; `:files` where names of files may stand as well. The words are passed on as they were typed,
// never evaluated. The shell finds `holdfast` as for the user: on the PATH, or as a function.

const bash = `# holdfast completion for bash: source <(holdfast completion bash)
_holdfast() {
  local line current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <(holdfast complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _holdfast holdfast
`;

const zsh = `#compdef holdfast
# holdfast completion for zsh: source <(holdfast completion zsh)
_holdfast() {
  local line files=0
  local -a candidates
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      files=1
    else
      candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done < <(holdfast complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#candidates )) && _describe -V holdfast candidates
  (( files )) && _files
}
compdef _holdfast holdfast
`;

const fish = `# holdfast completion for fish: holdfast completion fish | source
function __holdfast_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  for line in (holdfast complete -- $before[2..-1] "$current" 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path "$current"
    else
      echo $line
    end
  end
end
complete -c holdfast -f -a '(__holdfast_complete)'
`;

export const completionScripts: Readonly<Record<string, string>> = { bash, zsh, fish };

export const completedShells: readonly string[] = Object.keys(completionScripts);
