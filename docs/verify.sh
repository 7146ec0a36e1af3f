#!/bin/bash
# verify.sh RECORD_DIR TRUST_CERT [PROOF]: check a record of otaopenssl from its files alone (records.md says what is in
# them), with bash, openssl 3, jq 1.6 and coreutils. TRUST_CERT (PEM) is the CA of the sealing certificate, or that
# certificate itself; with PROOF, the proof of one line, devices.jsonl need not be there.
# Prints a line a check. Exit status: 0 everything holds, 1 something does not, 2 it could not be tried.
# A record is not trusted: nothing in it is run, nor used as a name or a number before its form was checked.
# Not looked at: who signed approval.json.p7s, and the signature in statement.dsse.json, which says what the seal says.
set -euo pipefail
umask 077
export LC_ALL=C OPENSSL_CONF=/dev/null
unset CDPATH GLOBIGNORE # the latter ends dotglob as well
shopt -s inherit_errexit nullglob dotglob
give_up() { printf 'verify.sh: %s\n' "${1//[^[:print:]]/?}" >&2; exit 2; }
[[ $# == [23] ]] || give_up 'usage: verify.sh RECORD_DIR TRUST_CERT [PROOF]'
for tool in openssl jq sha256sum base64 basenc cmp comm cut date head join mkdir mktemp paste rm sort split tac tail tr wc; do
  type -P "$tool" >/dev/null || give_up "$tool is missing"
done
[[ $(openssl version) == 'OpenSSL '[3-9]* ]] || give_up 'openssl 3.0 or later is needed'
paths=()
for path; do [[ $path == /* ]] || path=$PWD/$path; paths+=("$path"); done
trust=${paths[1]} proof=${paths[2]-}
[[ -f $trust ]] && openssl x509 -in "$trust" -noout 2>/dev/null || give_up "no certificate in PEM: $trust"
[[ -z $proof || -f $proof && -r $proof ]] || give_up "no readable file: $proof"
cd -P -- "${paths[0]}" 2>/dev/null || give_up "no directory: ${paths[0]}"
record=${PWD##*/} # file names are relative to the record from here on
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
status=0
say() { printf '%-5s %s\n' "$1" "${2//[^[:print:]]/ }"; }
check() { # WHAT FUNCTION: ok only where every command of the function succeeds, for it runs under a set -e of its own
  local why result
  set +e
  (set -e; "$2") >"$tmp/why" 2>&1 </dev/null
  result=$?
  set -e
  IFS= read -r -d '' -n 400 why <"$tmp/why" || :
  if ((result == 0)); then say ok "$1"; else status=1 && say FAIL "$1: $why"; fi
}
no() { printf '%s\n' "$1"; exit 1; }
digests() { # FILE…: their digests, a line each
  while (($#)); do sha256sum -- "${@:1:4000}" | cut -c 1-64; shift $(($# < 4000 ? $# : 4000)); done
}
is() { [[ -f $1 && $(digests "$1") == "$2" ]] || no "$1 is gone or has not the digest $2"; } # FILE DIGEST
lines_of() { # FILE: into the array lines, every byte of them, with a newline at the end
  [[ -f $1 ]] && mapfile -t lines <"$1" && ((${#lines[@]})) || no "$1 is gone or empty"
  [[ $(printf '%s\n' "${lines[@]}" | sha256sum) == "$(sha256sum <"$1")" ]] || no "$1: a zero byte, or no newline at the end"
}
nodes() { printf '01%s%s' "$@" | tr a-f A-F | basenc --base16 -d; } # DIGEST…: nodes of a Merkle tree, of two each
ask() { jq -e -n -r --slurpfile s statement.json "$facts $1" "${@:2}"; } # FILTER [ARGUMENT OF JQ…]
facts=$(cat <<'JQ'
def must(f; $fault): if [f] == [true] then . else error($fault) end;
def matches($re): type == "string" and test("\\A(?:\($re))\\z");
def hex: matches("[0-9a-f]{64}");
def id: matches("[A-Za-z0-9][A-Za-z0-9._:-]{0,63}");
def time: matches("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z");
def all_text: all(.[]; type == "string");
def run: $s[0].predicate.runDetails;
def build: $s[0].predicate.buildDefinition;
def command: build.externalParameters.command;
def places: build.externalParameters.places;
def internal: build.internalParameters;
def texts: internal.procedure.texts;
def dependencies: build.resolvedDependencies;
def dependency($name): [dependencies[] | select(.name == $name) | .digest.sha256][0];
def byproduct($name): run.byproducts[] | select(.name == $name) | .digest.sha256;
def size: run.byproducts[] | select(.name == "merkle-root") | .annotations.size;
# A text as commands {step, argv, to}. A word is a list of strings and {place}s: values are put in after the split, which
# they cannot change then. What texts may not have is an error, or a word that equals nothing.
def placed: "\\$\\w+|\\$\\{\\w+\\}";
def piece: "\\\\\\n|\\\\.|'[^'\\n]*'|\"(?:\\\\\\n|\\\\.|[^\"\\\\`\\n])*\"|\(placed)|[^\\s'\"\\\\$`|>;&()<*?\\[{}!~]+";
def token: "(?:[ \\t]|\\\\\\n)+|#[^\\n]*|\\n|\\|\\|?|>|(?:\(piece))+";
def word: [match(piece; "g").string | if startswith("'") then {literal: .[1:-1]}
    elif startswith("\"") then (.[1:-1] | {literal: ""}, match("\\\\\\n|\\\\[$\"\\\\`]|\(placed)|(?s:.)"; "g").string) else . end
  | if type == "object" then .literal elif . == "\\\n" then empty elif startswith("\\") and length > 1 then .[1:]
    elif startswith("$") then {place: gsub("[${}]"; "")} else . end];
def pipeline: (if .[-2:] == ["||", ["true"]] then .[:-2] else . end)
  | (if .[-2:-1] == [">"] then {to: .[-1], rest: .[:-2]} else {to: null, rest: .} end)
  | .argv = reduce .rest[] as $t ([[]]; if $t == "|" then . + [[]] else .[-1] += [$t] end)
  | must(all(.argv[]; length > 0) and all(.argv[][]; type == "array") and (.to | type != "string"); "a text is no command");
def commands: .name as $name | (.lines | join("\n") + "\n") as $text | [$text | match(token; "g").string]
  | must(add == $text; "\($name): not in the language of texts")
  | reduce .[] as $t ({line: 1, tokens: [], all: []};
      if $t == "\n" then (if .tokens == [] then . else .all += [{step: "\($name):\(.from)", tokens}] | .tokens = [] end)
      elif $t | test("\\A(?:[# \\t]|\\\\\\n)") then .
      else (if .tokens == [] then .from = .line else . end)
        | .tokens += [if $t | IN("|", "||", ">") then $t else $t | word end] end
      | .line += ($t | split("\n") | length - 1))
  | .all[] | {step} + (.tokens | pipeline | {argv, to});
def fill($of): if type != "array" then . else map(if type == "object" then $of[.place] // . else . end)
  | if all_text then join("") else . end end;
def filled($of): .argv |= map(map(fill($of))) | .to |= fill($of);
def all_commands: [texts[] | commands | filled(places)];
# Of these the ones for a CSR that is there, from the signing on; and for keys that are there, with the making of the CSR.
def has_words($words): any(.argv[]; .[: $words | length] == $words);
def signing: [.[] | has_words(["openssl", "x509"]) and any(.argv[][]; . == "-req")] | index(true);
def from_request: .[signing:];
def from_keys: (.[signing].argv[0] | .[index("-in") + 1]) as $csr | [.[:signing][]
  | select(.to == $csr or any(.argv[]; . as $words | any(range(1; length); $words[. - 1:. + 1] == ["-out", $csr])))][-1:] + .[signing:];
def carried_out($all): .steps[0].step as $first
  | [$all | if . == [] then . elif command == "sign" then from_request elif command == "renew" then ., from_keys, from_request
      else . end] | first((.[] | select(.[0].step == $first)), .[0]);
# What a line must be, and that its steps are the commands of the texts: all, or the first ones, or none.
def well_formed($n): must(.schema == "otaopenssl-device/1" and .sequence == $n and (.previous | hex)
    and (.begin | time) and (.end | time) and .begin <= .end
    and (if [.uuid, .device_id] == [null, null] then command == "root" or .result == "refused"
      else command != "root" and (.uuid | id) and (.device_id | id) end)
    and (if .result | IN("made", "there already") then (.serial | matches("([0-9A-F]{2}){1,20}")) and (.certificate_sha256 | hex)
        and (.not_after | matches("[0-9-]{10}T[0-9:]{8}Z")) and (has("reason") | not)
      else (.result | IN("failed", "refused")) and (.reason | type == "string")
        and [.serial, .not_after, .certificate_sha256] == [null, null, null] end)
    and all(.steps[].outputs[], .given[]?; (.path | type == "string") and (.size | type == "number" and . == floor and . >= 0)
      and (if has("sha256") then .sha256 | hex else .mode | type == "string" end)); "line \($n) is not what the format says");
def by_the_texts($texts): carried_out($texts) as $all | ({DEVICE_UUID: .uuid, device_id, device_dir: "\(places.DEVICES_DIR)/\(.uuid)"}) as $own
  | ({made: ($all | length), failed: (.steps | length)}[.result] // 0) as $count
  | must([.steps[] | {step, argv, to}] == ($all[:$count] | map(filled($own))); "line \(.sequence): not the commands of the texts")
  | (if command == "root" then "\(places.DEVICES_DIR)/ca.crt" else "client.pem" end) as $certificate
  | must(.result != "made" or any(.steps[].outputs[]; .path == $certificate and has("sha256"));
      "line \(.sequence): no certificate was written")
  | must(if has("given") then command | IN("sign", "renew") else .result != "made" or command != "sign" end;
      "line \(.sequence): given")
  | must(all((if .result == "failed" and (.steps[-1:] | any(.[]; has("statuses") | not)) then .steps[:-1] else .steps end)[];
      (.statuses // [] | map(numbers) | length) == ([.argv[][0] | select(. == "openssl")] | length));
      "line \(.sequence): not an exit status for each openssl process");
JQ
)
statement() {
  [[ -f statement.json ]] || no 'no such file'
  ask '$s | must(length == 1; "not one JSON document") | .[0]
  | must(._type == "https://in-toto.io/Statement/v1"; "_type")
  | must(.predicateType == "https://slsa.dev/provenance/v1"; "predicateType")
  | must(build.buildType == "urn:otaopenssl:record:1"; "buildType")
  | must(.subject | length == 1 and .[0].name == "devices.jsonl" and (.[0].digest.sha256 | hex); "subject")
  | must(command | IN("root", "device", "fleet", "sign", "renew"); "command")
  | must(places | all_text and ([.CWD, .SERVER_NAME, .SERVER_DIR, .DEVICES_DIR] | all_text); "places")
  | must([texts[].name] | IN(if command == "root" then ["root.sh"] elif places | has("device_gateway")
      then ["device.sh", "gateway.sh"], ["device.sh", "gateway-port.sh"] else ["device.sh"] end); "texts")
  | must(internal | [.procedure.name, .procedure.texts[].lines[], .host, .user, .site // "", .environment[], .departures[]]
      | all_text; "internalParameters")
  | must(internal.is_complete | type == "boolean"; "is_complete")
  | must(all(dependencies[]; (.name | type == "string") and (.digest.sha256 | hex)); "resolvedDependencies")
  | must(dependencies | map(.name) - ["openssl.cnf"] | length == (unique | length); "a dependency stands twice")
  | must('"$refused"' or ["openssl", if command == "root" then empty else "ca.crt" end] - [dependencies[].name] == [];
      "openssl or ca.crt")
  | must(run.builder | .id == "urn:otaopenssl" and ([.version | .otaopenssl, .openssl, .python] | all_text); "builder")
  | must(run.metadata | (.invocationId | matches("[0-9a-f]{12}")) and (.startedOn | time) and (.finishedOn | time)
      and .startedOn <= .finishedOn; "metadata")
  | must([run.byproducts[] | select(.digest.sha256 | hex) | .name] | sort == ["last-line", "merkle-root", "previous-statement"];
      "byproducts")
  | must(size | type == "number" and . == floor and 1 <= . and . <= 10000; "size")
  | [run.metadata.finishedOn, run.metadata.invocationId, size, .subject[0].digest.sha256,
      byproduct("merkle-root", "last-line", "previous-statement"),
      (dependency("seal", "approval.json", "approval.json.p7s", "ca.crt") | . // "none")]
  | join(" ")' >"$tmp/facts"
}
seal() { # -CAfile alone would let the authorities of the system vouch as well
  local at signer
  [[ -f statement.json.p7s ]] || no 'there is none'
  [[ $(openssl asn1parse -inform DER -in statement.json.p7s | head -n 1) =~ hl=([0-9]+)\ l=\ *([0-9]+) ]] &&
    ((BASH_REMATCH[1] + BASH_REMATCH[2] == $(wc -c <statement.json.p7s))) || no 'cut, or something is behind it'
  at=$(date -u -d "$finished" +%s)
  openssl cms -verify -binary -cades -inform DER -in statement.json.p7s -content statement.json -CAfile "$trust" -no-CApath \
    -no-CAstore -partial_chain -purpose any -attime "$at" -signer "$tmp/signer" -out /dev/null
  signer=$(<"$tmp/signer")
  [[ ${signer#*-BEGIN CERT} != *-BEGIN\ CERT* ]] || no 'more than one signer'
  openssl x509 -in "$tmp/signer" -outform DER -out "$tmp/signer.der"
  is "$tmp/signer.der" "$seal"
  [[ ! -e statement.dsse.json || -f statement.dsse.json ]] || no 'statement.dsse.json is no file'
  [[ ! -e statement.dsse.json ]] || jq -r .payload statement.dsse.json | base64 -d | cmp - statement.json
}
texts() {
  local i count sum
  count=$(ask 'texts | length')
  for ((i = 0; i < count; i++)); do
    sum=$(ask "texts[$i] | must(.sha256 == dependency(\"procedure/\(.name)\"); \"procedure/TEXT\") | .sha256")
    ask "texts[$i].lines | join(\"\\n\")" >"$tmp/text" # a newline at the end, which a text may lack
    [[ $(head -c -1 "$tmp/text" | sha256sum) == "$sum  -" ]] || is "$tmp/text" "$sum"
  done
}
approval() { # what ran is what was approved
  is approval.json "$approved"
  [[ $signed == none && ! -e approval.json.p7s ]] || is approval.json.p7s "$signed"
  "$refused" || ask '$a | must(length == 1 and .[0].format == "otaopenssl-approval/1"; "format") | .[0]
  | must(.procedure.name == internal.procedure.name; "the procedure")
  | must(all(texts[]; .sha256 == $a[0].procedure.texts[.name].sha256); "a text")
  | must(internal.environment == .environment; "the environment")
  | must(all(dependencies[] | select(.name | startswith("procedure/") or IN("approval.json", "approval.json.p7s", "seal",
      "openssl", "libssl", "libcrypto", "openssl.cnf", if command == "root" then "ca.crt" else empty end) | not);
      .digest.sha256 == $a[0].files[.name]); "a configuration file or ca.crt")
  | must(any(.openssl[]; .version == run.builder.version.openssl
      and [.program, .libssl, .libcrypto] == [dependency("openssl", "libssl", "libcrypto")]
      and ([."openssl.cnf" | to_entries[] | select(.value) | ["file://" + (.key / "/" | map(@uri) | join("/")), .value]] | sort)
      == ([dependencies[] | select(.name == "openssl.cnf") | [.uri, .digest.sha256]] | sort)); "openssl") | true' \
    --slurpfile a approval.json
}
listed() { # SHA256SUMS into the arrays sums and names, in which this record is number at
  local i lines=("$(digests statement.json)  $record/statement.json")
  [[ ! -e ../SHA256SUMS ]] || lines_of ../SHA256SUMS
  names=() sums=() at=
  for i in "${!lines[@]}"; do
    [[ ${lines[i]} =~ ^([0-9a-f]{64})\ \ ([0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}(-[0-9]+)?)/statement\.json$ ]] || no "line $((i + 1))"
    sums+=("${BASH_REMATCH[1]}") names+=("${BASH_REMATCH[2]}")
    [[ ${names[i]} != "$record" ]] || { [[ -z $at ]] && at=$i || no 'listed twice'; }
  done
  [[ -n $at ]] || no "$record is not listed"
  [[ $record =~ ^.{17}$run(-|$) ]] || no "$record is not named by its run"
}
chain() { # the record stands in SHA256SUMS between its neighbours
  local names sums at i previous name earlier
  [[ -f ../SHA256SUMS ]] || no 'gone'
  listed
  for ((i = at > 0 ? at - 1 : 0; i < ${#names[@]} && i <= at + 1; i++)); do is "../${names[i]}/statement.json" "${sums[i]}"; done
  if ((at > 0)); then previous=${sums[at - 1]}; else printf -v previous '%064d' 0; fi
  [[ $before == "$previous" ]] || no 'previous-statement is not the one before'
  earlier=()
  for name in "${names[@]:0:at}"; do [[ ! -f ../$name/statement.json ]] || earlier+=("../$name/statement.json"); done
  "$refused" || [[ $approved != none ]] || jq -en '[inputs.predicate.buildDefinition.resolvedDependencies[]?.name]
    | index("approval.json") | not' /dev/null "${earlier[@]}" || no 'it was held to no approval, unlike one before'
  ((at + 1 == ${#names[@]})) || jq -e --arg sum "${sums[at]}" '.predicate.runDetails.byproducts
    | [.[] | select(.name == "previous-statement").digest.sha256] == [$sum]' "../${names[at + 1]}/statement.json" ||
    no 'the next statement names another one'
}
lines() { # devices.jsonl is the one of the statement, its lines are well-formed, and each names the one before
  local lines i n odd
  is devices.jsonl "$subject"
  lines_of devices.jsonl
  ((${#lines[@]} == size)) || no 'not as many lines as the statement says'
  mkdir "$tmp/lines" "$tmp/nodes"
  for i in "${!lines[@]}"; do
    printf -v n '%05d' "$i"
    printf '%s' "${lines[i]}" >"$tmp/lines/$n"
    printf '\0%s' "${lines[i]}" >"$tmp/nodes/$n"
  done
  { printf '%064d\n' 0; digests "$tmp"/lines/*; } >"$tmp/digests"
  ask '($digests | split("\n")[:-1]) as $digest | [foreach (inputs | fromjson) as $line (0; . + 1; . as $n | $line
      | well_formed($n) | must(.previous == $digest[$n - 1]; "line \($n) does not name the one before") | .uuid)]
    | must(length == (unique | length); "a device has two lines") | true' --rawfile digests "$tmp/digests" -R devices.jsonl
  [[ $(tail -n 1 "$tmp/digests") == "$last" ]] || no 'last-line'
  digests "$tmp"/nodes/* >"$tmp/level" # RFC 9162, 2.1.1: level by level, the last one of an odd number as it is
  while mapfile -t lines <"$tmp/level" && ((${#lines[@]} > 1)); do
    odd=${lines[${#lines[@]} / 2 * 2]-}
    rm -r "$tmp/nodes" && mkdir "$tmp/nodes"
    nodes "${lines[@]:0:${#lines[@]} / 2 * 2}" | split -b 65 -a 5 -d - "$tmp/nodes/"
    { digests "$tmp"/nodes/*; printf '%s' "${odd:+$odd$'\n'}"; } >"$tmp/level"
  done
  [[ ${lines[0]} == "$root" ]] || no 'merkle-root'
}
commands() { # each line carried out the commands of the texts
  [[ -f devices.jsonl ]] || no 'no devices.jsonl'
  "$refused" || ask '([all_commands[].argv[][] | strings | select(startswith("\(places.CWD)/certs/")) | ltrimstr("\(places.CWD)/")]
    - [dependencies[].name]) as $missing | must($missing == []; "no \($missing) among the dependencies") | true'
  ask "(if $refused then [] else all_commands end)"' as $all | [inputs | fromjson | by_the_texts($all) | empty] == []' -R devices.jsonl
}
certificates() { # each certificate lies in its directory, unless a later record has made another one, and no others do
  local names sums at file name text size told='inputs | fromjson | select(.result == "made" or .result == "there already")'
  for file in ../../devices/ca.crt ../../devices/*/client.pem; do
    name=${file#../../devices/} name=${name%/client.pem}
    [[ $file != ../../devices/ca.crt ]] || { [[ -e $file ]] || continue; name=-; } # the fleet root CA
    [[ -f $file && $name =~ ^([A-Za-z0-9][A-Za-z0-9._:-]{0,63}|-)$ ]] || no "$file"
    IFS= read -r -d '' text <"$file" || : # the whole file
    text=${text#*-----BEGIN CERTIFICATE-----} text=${text%%-----END CERTIFICATE-----*} text=${text//$'\n'/}
    [[ $text =~ ^[A-Za-z0-9+/]+(=?=?)$ ]] && ((${#text} % 4 == 0)) || no "$file holds no certificate"
    size=$((${#text} / 4 * 3 - ${#BASH_REMATCH[1]}))
    printf '%s\n' "$text" >>"$tmp/body.$size" # those of a size are decoded at once
    printf '%s\n' "$name" >>"$tmp/name.$size"
  done
  for file in "$tmp"/body.*; do
    rm -rf "$tmp/der" && mkdir "$tmp/der"
    base64 -d "$file" | split -b "${file##*.}" -a 6 -d - "$tmp/der/"
    digests "$tmp"/der/* | paste -d ' ' "$tmp/name.${file##*.}" -
  done | sort >"$tmp/there"
  listed
  names=("${names[@]/#/../}") && names=("${names[@]/%//devices.jsonl}")
  for file in "${names[@]}"; do [[ -f $file ]] || no "no $file"; done
  jq -nrR "$told"' | "\(.uuid // "-") \(.certificate_sha256)"' devices.jsonl | sort >"$tmp/mine"
  jq -nrR "$told"' | "\(.uuid // "-") \(.certificate_sha256)"' "${names[@]}" | sort >"$tmp/told"
  jq -nrR "$told"' | select(.result == "made") | .uuid // "-"' "${names[@]:at + 1}" | sort -u >"$tmp/later"
  jq -nrR 'foreach ('"$told"' | select(.uuid)) as $one ({}; .[$one.uuid] |= (. or $one.result == "made"); # or older than records
    select($one.result == "made" or (.[$one.uuid] | not)) | "\($one.uuid) \($one.certificate_sha256)")' "${names[@]}" >"$tmp/made"
  tac "$tmp/made" | sort -s -u -k 1,1 >"$tmp/last" # of several the last one
  sort -u -o "$tmp/made" "$tmp/made"
  jq -nrR 'inputs | fromjson | select(.result == "there already") | "\(.uuid) \(.certificate_sha256)"' devices.jsonl |
    sort >"$tmp/found" # made by some run, where a record tells of one before; a renewal may have replaced it meanwhile
  text=$(join -v 1 "$tmp/mine" "$tmp/later" | comm -23 - "$tmp/there" |
    comm -23 - <(comm -12 "$tmp/found" "$tmp/made" | comm -23 - "$tmp/last"))
  [[ -z $text ]] || no "gone or changed: $text"
  text=$(comm -13 "$tmp/told" "$tmp/there" | join -v 1 - <(echo -))
  [[ -z $text ]] || no "issued but not recorded: $text"
  [[ $ca != none ]] || ca=$(jq -nrR '[inputs | fromjson | select(.result == "made" and .uuid == null) | .steps[].outputs[]?
    | select(.path | endswith("/ca.crt")) | .sha256] | last // "none"' devices.jsonl)
  ((at + 1 < ${#names[@]})) || "$refused" || [[ $ca == none ]] || is ../../devices/ca.crt "$ca"
  jq -nrR 'inputs | fromjson | select(.result == "made" and .uuid) | .uuid' /dev/null "${names[@]:0:at}" | sort -u >"$tmp/before"
  text=$(join "$tmp/found" "$tmp/before" | comm -23 - "$tmp/made")
  [[ -z $text ]] || no "found with another certificate than was recorded before: $text"
  # The other files of devices; what is gone may have been moved to the device, and root.crt may have been fetched again.
  jq -nrR 'inputs | fromjson | select(.result == "made" and .uuid) | .uuid as $uuid
    | reduce (.steps[].outputs[]?, .given[]?) as $one ({}; .[$one.path] = $one.sha256) | del(."root.crt") | to_entries[]
    | select(.value and (.key | test("\\A[A-Za-z0-9][A-Za-z0-9._:-]*\\z"))) | "\($uuid) \(.value)  ../../devices/\($uuid)/\(.key)"
    ' devices.jsonl | sort | join -v 1 - "$tmp/later" | while read -r name text file; do
      [[ -e $file ]] || continue
      [[ -f $file ]] || no "$file is no file" >&2
      printf '%s  %s\n' "$text" "$file"
    done >"$tmp/files"
  [[ ! -s $tmp/files ]] || sha256sum --check --quiet --strict "$tmp/files"
}
proof() { # the line is one of the statement: RFC 9162, 2.1.3.2
  local path node index rest beside
  ask '$p[0] | must(($p | length == 1) and .format == "otaopenssl-proof/1"; "format")
    | must(.record == $record and .statement_sha256 == $sum; "of another record")
    | must(.size == size and (.index | type == "number" and . == floor and 0 <= . and . < size); "index or size")
    | must(.path | type == "array" and all(.[]; hex); "path")
    | (.index + 1) as $n | must(.line | fromjson | well_formed($n) | by_the_texts(all_commands) | true; "line")
    | .index, size - 1, .path[]' --slurpfile p "$proof" --arg record "$record" --arg sum "$(digests statement.json)" >"$tmp/path"
  mapfile -t path <"$tmp/path"
  index=${path[0]} rest=${path[1]} node=$({ printf '\0'; jq -j .line "$proof"; } | sha256sum)
  for beside in "${path[@]:2}"; do
    ((rest > 0)) || no 'the path is too long'
    if ((index % 2 || index == rest)); then
      node=$(nodes "$beside" "${node%% *}" | sha256sum)
      while ((index % 2 == 0 && index > 0)); do index=$((index / 2)) rest=$((rest / 2)); done
    else
      node=$(nodes "${node%% *}" "$beside" | sha256sum)
    fi
    index=$((index / 2)) rest=$((rest / 2))
  done
  [[ $rest == 0 && ${node%% *} == "$root" ]] || no 'not of this merkle-root'
  jq -r '.line | fromjson | "\(.uuid) \(.result), serial \(.serial), certificate \(.certificate_sha256)"' "$proof" >"$tmp/proven"
}
refused=false # whether nothing was carried out, as devices.jsonl says, which is checked below
if [[ -f devices.jsonl ]] && jq -enR '[inputs | fromjson.result] | length > 0 and all(. == "refused")' devices.jsonl \
  >/dev/null 2>&1; then refused=true; fi
check 'statement.json: what the format says' statement
((status == 0)) || exit 1
read -r finished run size subject root last before seal approved signed ca <"$tmp/facts"
others=(../*/statement.json)
if "$refused" && [[ $seal == none && ! -e statement.json.p7s && ! -e statement.dsse.json ]]; then
  say skip 'seal: all was refused, so that nothing could be started to seal it'
else check 'seal: by one signer, whom TRUST_CERT vouches for' seal; fi
check 'texts: their digests' texts
if [[ -e approval.json || -e approval.json.p7s || $approved$signed != nonenone ]]; then
  check 'approval.json: what ran is approved' approval
else say skip 'approval.json: the run was held to none'; fi
if [[ -n $proof && ! -e devices.jsonl && ! -L devices.jsonl ]]; then
  say skip 'devices.jsonl, SHA256SUMS, commands and certificates: only the line of PROOF is here'
else
  check 'devices.jsonl: the digest, each line, last-line, merkle-root' lines
  check 'commands: those of the texts, in order' commands
  if [[ -e ../SHA256SUMS || -L ../SHA256SUMS || ${#others[@]} -gt 1 ]]; then check 'SHA256SUMS: the record in its place' chain
  else say skip 'SHA256SUMS: the record was given alone'; fi
  if [[ -d ../../devices ]]; then check 'certificates: there as recorded, and no others' certificates
  else say skip 'certificates: no devices directory'; fi
fi
if [[ -n $proof ]]; then check 'PROOF: a line of the record' proof; fi
[[ ! -s $tmp/proven ]] || say '' "$(<"$tmp/proven")"
exit "$status"
