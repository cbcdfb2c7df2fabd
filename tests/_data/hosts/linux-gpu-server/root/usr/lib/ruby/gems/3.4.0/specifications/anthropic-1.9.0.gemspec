Gem::Specification.new do |s|
  s.name = "anthropic".freeze
  s.version = "1.9.0".freeze
end
