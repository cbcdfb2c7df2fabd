Gem::Specification.new do |s|
  s.name = "rake".freeze
  s.version = "13.3.0".freeze
end
