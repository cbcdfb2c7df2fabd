export default "llama";
