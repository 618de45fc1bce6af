# fish completion for taskd, written by: taskd completion fish

function __taskd_verb
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"
end

function __taskd_live
    set -l words (commandline -opc)
    $words[1] __complete $argv 2>/dev/null
end

complete -c taskd -f
complete -c taskd -n __fish_use_subcommand -a status -d 'Show the daemon and its jobs, one job, or one run in full'
complete -c taskd -n __fish_use_subcommand -a top -d 'Show what runs, what is due next and what failed, live'
complete -c taskd -n __fish_use_subcommand -a next -d 'List what is due next'
complete -c taskd -n __fish_use_subcommand -a ps -d 'List what runs now, and how far it has come'
complete -c taskd -n __fish_use_subcommand -a runs -d 'List the history, newest first'
complete -c taskd -n __fish_use_subcommand -a result -d 'Print what a run returned'
complete -c taskd -n __fish_use_subcommand -a error -d 'Print the traceback of a run that failed'
complete -c taskd -n __fish_use_subcommand -a logs -d 'Print what a run printed and logged'
complete -c taskd -n __fish_use_subcommand -a why -d 'Say what was decided for an occurrence, and why'
complete -c taskd -n __fish_use_subcommand -a events -d 'Show the journal: who did what, and what became of it'
complete -c taskd -n __fish_use_subcommand -a add -d 'Keep a job in the store, across restarts'
complete -c taskd -n __fish_use_subcommand -a remove -d 'Forget an added job; its history stays'
complete -c taskd -n __fish_use_subcommand -a trigger -d 'Run a job once, now'
complete -c taskd -n __fish_use_subcommand -a pause -d 'Hold a job, or all, across restarts and reloads'
complete -c taskd -n __fish_use_subcommand -a resume -d 'Release a paused job, or all; revive a stopped one'
complete -c taskd -n __fish_use_subcommand -a stop -d 'End a job'"'"'s schedule and its runs, or one run'
complete -c taskd -n __fish_use_subcommand -a wait -d 'Wait for runs to end'
complete -c taskd -n __fish_use_subcommand -a retry -d 'Do final runs again, each as a new run that names the old one'
complete -c taskd -n __fish_use_subcommand -a dead -d 'List the dead-letter queue: runs whose retries are used up'
complete -c taskd -n __fish_use_subcommand -a dismiss -d 'Let dead runs leave the dead-letter queue'
complete -c taskd -n __fish_use_subcommand -a run -d 'Run the daemon in the foreground'
complete -c taskd -n __fish_use_subcommand -a reload -d 'Read jobs.toml again, all of it or, on any problem, nothing'
complete -c taskd -n __fish_use_subcommand -a shutdown -d 'End the daemon; what is unfinished is handed back'
complete -c taskd -n __fish_use_subcommand -a export -d 'Print the live jobs as a jobs.toml, added ones too'
complete -c taskd -n __fish_use_subcommand -a ping -d 'Ask whether a daemon answers'
complete -c taskd -n __fish_use_subcommand -a init -d 'Write a jobs.toml to begin with, and jobs that run at once'
complete -c taskd -n __fish_use_subcommand -a check -d 'Report every problem of a jobs.toml'
complete -c taskd -n __fish_use_subcommand -a diff -d 'Tell what loading a jobs.toml would change, before it does'
complete -c taskd -n __fish_use_subcommand -a explain -d 'Say in words when a cron expression is due'
complete -c taskd -n __fish_use_subcommand -a doctor -d 'Look at the installation, and tell the fix for what is wrong'
complete -c taskd -n __fish_use_subcommand -a import -d 'Print a jobs.toml made of a crontab'
complete -c taskd -n __fish_use_subcommand -a schema -d 'Print the JSON Schema of jobs.toml, for editors'
complete -c taskd -n __fish_use_subcommand -a completion -d 'Print the script that completes verbs, flags, jobs and runs'
complete -c taskd -n __fish_use_subcommand -a verify -d 'Check that the journal is whole and agrees with the tables'
complete -c taskd -n __fish_use_subcommand -a backup -d 'Copy the store as it is at one commit'
complete -c taskd -n __fish_use_subcommand -a prune -d 'Forget now what has been kept long enough'
complete -c taskd -n '__taskd_verb status' -l watch -d 'Keep showing it, anew at each change.'
complete -c taskd -n '__taskd_verb status' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb status' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb status' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb status' -a '(__taskd_live status jobs runs)'
complete -c taskd -n '__taskd_verb top' -l once -d 'Print it once; so does a pipe.'
complete -c taskd -n '__taskd_verb top' -s n -d 'How many jobs at most.' -x
complete -c taskd -n '__taskd_verb top' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb top' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb top' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb next' -s n -d 'How many.' -x
complete -c taskd -n '__taskd_verb next' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb next' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb next' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb next' -a '(__taskd_live next jobs)'
complete -c taskd -n '__taskd_verb ps' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb ps' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb ps' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb runs' -l state -d 'FAILED, RUNNING, ...' -x -a 'PENDING QUEUED RUNNING RETRYING SUCCEEDED FAILED DEAD CANCELLED SKIPPED'
complete -c taskd -n '__taskd_verb runs' -l since -d 'ISO 8601, or a duration ago' -x
complete -c taskd -n '__taskd_verb runs' -l limit -d 'How many at most.' -x
complete -c taskd -n '__taskd_verb runs' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb runs' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb runs' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb runs' -a '(__taskd_live runs jobs)'
complete -c taskd -n '__taskd_verb result' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb result' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb result' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb result' -a '(__taskd_live result runs jobs)'
complete -c taskd -n '__taskd_verb error' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb error' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb error' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb error' -a '(__taskd_live error runs jobs)'
complete -c taskd -n '__taskd_verb logs' -s f -l follow -d 'Go on as it comes; of a job, run after run.'
complete -c taskd -n '__taskd_verb logs' -l stream -d 'Only what came there.' -x -a 'stdout stderr log'
complete -c taskd -n '__taskd_verb logs' -l attempt -d 'Which; default: the latest.' -x
complete -c taskd -n '__taskd_verb logs' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb logs' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb logs' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb logs' -a '(__taskd_live logs runs jobs)'
complete -c taskd -n '__taskd_verb why' -l at -d 'ISO 8601, or a duration ago' -x
complete -c taskd -n '__taskd_verb why' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb why' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb why' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb why' -a '(__taskd_live why jobs)'
complete -c taskd -n '__taskd_verb events' -s f -l follow -d 'Go on with each new one.'
complete -c taskd -n '__taskd_verb events' -l after -d 'Only those after that one.' -x
complete -c taskd -n '__taskd_verb events' -l run -d 'Only those of that run.' -x -a '(__taskd_live events runs)'
complete -c taskd -n '__taskd_verb events' -s n -d 'How many; default: the last 20.' -x
complete -c taskd -n '__taskd_verb events' -l replay -d 'Show how its recorded decisions would be made today.' -x -a '(__taskd_live events jobs)'
complete -c taskd -n '__taskd_verb events' -l until -d 'Replay up to that event.' -x
complete -c taskd -n '__taskd_verb events' -l dry-run -d 'Changes nothing, as no replay does.'
complete -c taskd -n '__taskd_verb events' -l store -d 'Default: the running daemon'"'"'s, else the default one.' -x
complete -c taskd -n '__taskd_verb events' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb events' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb events' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb events' -a '(__taskd_live events jobs)'
complete -c taskd -n '__taskd_verb add' -l command -d 'A program to run, in the place of CALL.' -x
complete -c taskd -n '__taskd_verb add' -l every -d '10s, 1h30m' -x
complete -c taskd -n '__taskd_verb add' -l cron -d '30 2 * * mon-fri, @daily' -x
complete -c taskd -n '__taskd_verb add' -l at -d 'ISO 8601' -x
complete -c taskd -n '__taskd_verb add' -l in -d 'Once, after that time.' -x
complete -c taskd -n '__taskd_verb add' -l now -d 'Once, at once.'
complete -c taskd -n '__taskd_verb add' -l arg -d 'A positional argument: JSON, or else text.' -x
complete -c taskd -n '__taskd_verb add' -l kwarg -d 'A keyword argument: JSON, or else text.' -x
complete -c taskd -n '__taskd_verb add' -l wait -d 'Wait for the run; exit 1 if it ends badly.'
complete -c taskd -n '__taskd_verb add' -l timeout -d 'Wait no longer, and exit 124.' -x
complete -c taskd -n '__taskd_verb add' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb add' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb add' -l align -l no-align -d 'Run on multiples of --every.'
complete -c taskd -n '__taskd_verb add' -l carry -l no-carry -d 'Pass on the last result.'
complete -c taskd -n '__taskd_verb add' -l priority -d 'low, normal, high, critical, or -100..100.' -x
complete -c taskd -n '__taskd_verb add' -l tags -l tag -d 'For people; may repeat.' -x
complete -c taskd -n '__taskd_verb add' -l description -d 'For people.' -x
complete -c taskd -n '__taskd_verb add' -l enabled -l no-enabled -d 'No: never due, but can be triggered.'
complete -c taskd -n '__taskd_verb add' -l executor -d 'thread, process, async, command' -x
complete -c taskd -n '__taskd_verb add' -l shell -l no-shell -d 'Have a shell run --command.'
complete -c taskd -n '__taskd_verb add' -l env -d 'Set in its environment; may repeat.' -x
complete -c taskd -n '__taskd_verb add' -l cwd -d 'The directory that it runs in.' -r -F
complete -c taskd -n '__taskd_verb add' -l nice -d '0..19: yield so much to other processes.' -x
complete -c taskd -n '__taskd_verb add' -l run-timeout -d 'How long an attempt may take.' -x
complete -c taskd -n '__taskd_verb add' -l kill-grace -d 'How long it has to end when it is asked to.' -x
complete -c taskd -n '__taskd_verb add' -l max-memory -d '512MiB; its process cannot have more.' -x
complete -c taskd -n '__taskd_verb add' -l max-cpu-time -d 'A process that uses more is killed.' -x
complete -c taskd -n '__taskd_verb add' -l capture-output -l no-capture-output -d 'Keep what it prints, for taskd logs.'
complete -c taskd -n '__taskd_verb add' -l output-limit -d 'How much of that is kept: 1MiB' -x
complete -c taskd -n '__taskd_verb add' -l timezone -d Europe/Berlin -x
complete -c taskd -n '__taskd_verb add' -l mode -d 'fixed-rate, fixed-delay: --every from due time, or from the end' -x
complete -c taskd -n '__taskd_verb add' -l on -d 'boot: at each start of the daemon' -x
complete -c taskd -n '__taskd_verb add' -l dst-gap -d 'next, skip: times that the clocks skip' -x
complete -c taskd -n '__taskd_verb add' -l dst-overlap -d 'first, last, both: times that they repeat' -x
complete -c taskd -n '__taskd_verb add' -l day-match -d 'or, and: day of month, weekday' -x
complete -c taskd -n '__taskd_verb add' -l jitter -d 'Start up to so much later.' -x
complete -c taskd -n '__taskd_verb add' -l start-at -d 'Never due before then.' -x
complete -c taskd -n '__taskd_verb add' -l end-at -d 'Never due then or later.' -x
complete -c taskd -n '__taskd_verb add' -l max-runs -d 'The schedule is finished after so many.' -x
complete -c taskd -n '__taskd_verb add' -l exclude -d 'Skip the days of that calendar; may repeat.' -x
complete -c taskd -n '__taskd_verb add' -l misfire-grace-time -d 'How late it may still run; or inf' -x
complete -c taskd -n '__taskd_verb add' -l catchup -d 'latest, all, skip: what runs of what was missed' -x
complete -c taskd -n '__taskd_verb add' -l catchup-limit -d 'How many --catchup all runs at most.' -x
complete -c taskd -n '__taskd_verb add' -l overlap -d 'skip, buffer-one, buffer-all, cancel-other, terminate-other, allow' -x
complete -c taskd -n '__taskd_verb add' -l max-instances -d 'How many run at once.' -x
complete -c taskd -n '__taskd_verb add' -l unique-key -d 'Runs of one key are the same work: {region}.' -x
complete -c taskd -n '__taskd_verb add' -l unique-scope -d 'pending, incomplete, period: how long it is the same' -x
complete -c taskd -n '__taskd_verb add' -l unique-period -d 'How long, with --unique-scope period.' -x
complete -c taskd -n '__taskd_verb add' -l unique-on-conflict -d 'skip, replace, error: what becomes of a second' -x
complete -c taskd -n '__taskd_verb add' -l retry-max-attempts -d 'Attempts in all; 1: no retries.' -x
complete -c taskd -n '__taskd_verb add' -l retry-backoff -d 'fixed, linear, exponential: how delays grow' -x
complete -c taskd -n '__taskd_verb add' -l retry-initial -d 'The first delay.' -x
complete -c taskd -n '__taskd_verb add' -l retry-max-delay -d 'The longest delay.' -x
complete -c taskd -n '__taskd_verb add' -l retry-jitter -d 'none, full, equal: how random delays are' -x
complete -c taskd -n '__taskd_verb add' -l retry-max-elapsed -d 'No attempt starts so long after the first.' -x
complete -c taskd -n '__taskd_verb add' -l retry-retry-on -l retry-on -d 'Retry these alone; may repeat.' -x
complete -c taskd -n '__taskd_verb add' -l retry-give-up-on -l give-up-on -d 'Never retry these; may repeat.' -x
complete -c taskd -n '__taskd_verb add' -l on-crash -d 'retry, fail: when the process died' -x
complete -c taskd -n '__taskd_verb add' -l max-crashes -d 'Crashes after which a run is DEAD.' -x
complete -c taskd -n '__taskd_verb add' -l pause-after-failures -d 'Pause after so many bad runs in a row.' -x
complete -c taskd -n '__taskd_verb add' -l retention-success -d 'How long runs that went well are kept.' -x
complete -c taskd -n '__taskd_verb add' -l retention-failed -d 'How long runs that failed are kept.' -x
complete -c taskd -n '__taskd_verb add' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb remove' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb remove' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb remove' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb remove' -a '(__taskd_live remove jobs)'
complete -c taskd -n '__taskd_verb trigger' -l arg -d 'A positional argument: JSON, or else text.' -x
complete -c taskd -n '__taskd_verb trigger' -l kwarg -d 'A keyword argument: JSON, or else text.' -x
complete -c taskd -n '__taskd_verb trigger' -l wait -d 'Wait for the run; exit 1 if it ends badly.'
complete -c taskd -n '__taskd_verb trigger' -l timeout -d 'Wait no longer, and exit 124.' -x
complete -c taskd -n '__taskd_verb trigger' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb trigger' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb trigger' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb trigger' -a '(__taskd_live trigger jobs)'
complete -c taskd -n '__taskd_verb pause' -l all -d 'Every job.'
complete -c taskd -n '__taskd_verb pause' -l reason -d 'Why; kept in the history.' -x
complete -c taskd -n '__taskd_verb pause' -l until -d 'ISO 8601, or a duration from now' -x
complete -c taskd -n '__taskd_verb pause' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb pause' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb pause' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb pause' -a '(__taskd_live pause jobs)'
complete -c taskd -n '__taskd_verb resume' -l all -d 'Every job.'
complete -c taskd -n '__taskd_verb resume' -l reason -d 'Why; kept in the history.' -x
complete -c taskd -n '__taskd_verb resume' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb resume' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb resume' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb resume' -a '(__taskd_live resume jobs)'
complete -c taskd -n '__taskd_verb stop' -l force -d 'Make it end; do not ask first.'
complete -c taskd -n '__taskd_verb stop' -l reason -d 'Why; kept in the history.' -x
complete -c taskd -n '__taskd_verb stop' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb stop' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb stop' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb stop' -a '(__taskd_live stop jobs runs)'
complete -c taskd -n '__taskd_verb wait' -l timeout -d 'Wait no longer, and exit 124.' -x
complete -c taskd -n '__taskd_verb wait' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb wait' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb wait' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb wait' -a '(__taskd_live wait runs jobs)'
complete -c taskd -n '__taskd_verb retry' -l dead -d 'All of the dead-letter queue.'
complete -c taskd -n '__taskd_verb retry' -l job -d 'Of --dead: that job'"'"'s.' -x -a '(__taskd_live retry jobs)'
complete -c taskd -n '__taskd_verb retry' -l error -d 'Only of that exception class or category.' -x
complete -c taskd -n '__taskd_verb retry' -l older-than -d 'Of --dead: ended longer ago.' -x
complete -c taskd -n '__taskd_verb retry' -l since -d 'Ended since: ISO 8601, or a duration ago.' -x
complete -c taskd -n '__taskd_verb retry' -l dry-run -d 'List what would run.'
complete -c taskd -n '__taskd_verb retry' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb retry' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb retry' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb retry' -a '(__taskd_live retry runs)'
complete -c taskd -n '__taskd_verb dead' -l error -d 'Only of that exception class or category.' -x
complete -c taskd -n '__taskd_verb dead' -l since -d 'Ended since: ISO 8601, or a duration ago.' -x
complete -c taskd -n '__taskd_verb dead' -l limit -d 'How many at most.' -x
complete -c taskd -n '__taskd_verb dead' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb dead' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb dead' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb dead' -a '(__taskd_live dead jobs)'
complete -c taskd -n '__taskd_verb dismiss' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb dismiss' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb dismiss' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb dismiss' -a '(__taskd_live dismiss runs)'
complete -c taskd -n '__taskd_verb run' -l socket -d 'Where to listen.' -r -F
complete -c taskd -n '__taskd_verb run' -l store -d 'The store, in place of the file'"'"'s.' -x
complete -c taskd -n '__taskd_verb run' -l json -d 'Log each line as JSON.'
complete -c taskd -n '__taskd_verb run' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb run' -F
complete -c taskd -n '__taskd_verb reload' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb reload' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb reload' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb shutdown' -l now -d 'Do not wait for what is running.'
complete -c taskd -n '__taskd_verb shutdown' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb shutdown' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb export' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb export' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb export' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb export' -a '(__taskd_live export jobs)'
complete -c taskd -n '__taskd_verb ping' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb ping' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb ping' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb init' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb init' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb init' -F
complete -c taskd -n '__taskd_verb check' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb check' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb check' -F
complete -c taskd -n '__taskd_verb diff' -l days -d 'How far to look ahead.' -x
complete -c taskd -n '__taskd_verb diff' -s n -d 'How many runs of a job to list.' -x
complete -c taskd -n '__taskd_verb diff' -l store -d 'Default: the running daemon'"'"'s, else the default one.' -x
complete -c taskd -n '__taskd_verb diff' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb diff' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb diff' -F
complete -c taskd -n '__taskd_verb explain' -l timezone -d 'Default: the system'"'"'s.' -x
complete -c taskd -n '__taskd_verb explain' -l after -d 'ISO 8601; without a zone: of --timezone' -x
complete -c taskd -n '__taskd_verb explain' -s n -d 'How many instants.' -x
complete -c taskd -n '__taskd_verb explain' -l dst-gap -d 'A time that the clocks skip: run it after the gap, or not.' -x -a 'next skip'
complete -c taskd -n '__taskd_verb explain' -l dst-overlap -d 'Which pass of a time that they show twice runs.' -x -a 'first last both'
complete -c taskd -n '__taskd_verb explain' -l day-match -d 'Day of month and weekday both given: one has to match, or both.' -x -a 'or and'
complete -c taskd -n '__taskd_verb explain' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb explain' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb doctor' -l store -d 'The store; default: the daemon'"'"'s.' -x
complete -c taskd -n '__taskd_verb doctor' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb doctor' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb doctor' -F
complete -c taskd -n '__taskd_verb import' -l system -l user -d 'Has FILE a column of users? Default: below /etc it has.'
complete -c taskd -n '__taskd_verb import' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb import' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb import' -a crontab
complete -c taskd -n '__taskd_verb import' -F
complete -c taskd -n '__taskd_verb schema' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb completion' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb completion' -a 'bash zsh fish'
complete -c taskd -n '__taskd_verb verify' -l store -d 'Default: the running daemon'"'"'s, else the default one.' -x
complete -c taskd -n '__taskd_verb verify' -l rebuild -d 'Make a new store there from the journal alone.' -r -F
complete -c taskd -n '__taskd_verb verify' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb verify' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb backup' -l store -d 'Default: the running daemon'"'"'s, else the default one.' -x
complete -c taskd -n '__taskd_verb backup' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb backup' -s h -l help -d 'Show help.'
complete -c taskd -n '__taskd_verb backup' -F
complete -c taskd -n '__taskd_verb prune' -l json -d 'Print JSON.'
complete -c taskd -n '__taskd_verb prune' -l curl -d 'Print the request for curl; do nothing.'
complete -c taskd -n '__taskd_verb prune' -s h -l help -d 'Show help.'
