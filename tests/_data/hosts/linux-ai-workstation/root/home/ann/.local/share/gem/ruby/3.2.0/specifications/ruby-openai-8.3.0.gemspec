Gem::Specification.new do |s|
  s.name = "ruby-openai".freeze
end
