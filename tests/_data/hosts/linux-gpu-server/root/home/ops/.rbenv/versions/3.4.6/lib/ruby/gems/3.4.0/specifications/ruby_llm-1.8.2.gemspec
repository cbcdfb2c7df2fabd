Gem::Specification.new do |s|
  s.name = "ruby_llm".freeze
  s.version = "1.8.2".freeze
end
