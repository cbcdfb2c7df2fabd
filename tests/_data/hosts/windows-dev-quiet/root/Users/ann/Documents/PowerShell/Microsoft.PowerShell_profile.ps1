$env:EDITOR = 'code'
$env:OPENAI_API_KEY = $env:WORK_KEY
# $env:OPENAI_API_KEY = 'xxx'
